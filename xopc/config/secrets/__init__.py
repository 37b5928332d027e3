"""The secrets that a configuration refers to: where they are kept, and what they stood for when it took effect."""
