"""The scheduler: jobs that are due at their time, once, whatever happens to the process and its clocks."""
