"""A client of the gateway's own protocols; the CLI uses it. Imports `contracts` alone."""
