"""The gateway as the operating system sees it: processes, ports, service managers."""
