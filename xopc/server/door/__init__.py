"""Whether a request may pass: who asks, from where, with what, and how often in vain."""
