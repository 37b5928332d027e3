"""The configuration file as typed values: a class for each section, its defaults, and what each key means."""
