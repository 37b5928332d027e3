"""The audit of an installed service: what of it does not fit this machine, this configuration, this version."""
