"""The parts of the message path, without HTTP and without vendors."""
