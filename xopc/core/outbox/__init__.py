"""The way out: messages that are stored go to their channels."""
