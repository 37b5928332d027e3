"""One port, one door: accepts connections, authenticates requests, and hands them to the services of a generation."""
