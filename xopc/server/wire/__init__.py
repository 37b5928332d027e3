"""The connections: bytes in, bytes out, and the moments at which they have to end."""
