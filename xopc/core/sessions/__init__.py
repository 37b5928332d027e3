"""Sessions at work: stored messages become turns of an agent, and turns have their runs."""
