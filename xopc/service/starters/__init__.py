"""Who else on this machine would start a gateway."""
