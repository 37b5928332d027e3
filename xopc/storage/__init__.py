"""What outlives a restart. No SQL leaves this package."""
