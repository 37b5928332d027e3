"""Backups: what belongs to one, how it is written and read, and how it is put back."""
