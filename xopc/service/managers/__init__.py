"""The service managers of three systems: what they are told, how their files are written and read back."""
