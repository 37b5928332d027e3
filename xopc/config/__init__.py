"""The configuration: where it lies, what it says, and what of it takes effect."""
