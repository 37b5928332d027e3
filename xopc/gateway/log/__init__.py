"""The log of the gateway: its lines, where they are written, and how they look."""
