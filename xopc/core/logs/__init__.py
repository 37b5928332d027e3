"""The log, as it is read again: its lines, its files, what is looked for in them, and what comes next."""
