"""xopc, a personal-assistant gateway."""

__version__ = "0.1.0"
