"""The heartbeat: now and then the agent looks whether something needs attention, without being asked."""
