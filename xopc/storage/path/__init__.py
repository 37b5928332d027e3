"""What the message path has from the storage: the values and the transactions, without a word of SQL."""
