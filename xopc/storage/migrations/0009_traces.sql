-- The run whose answer a message is; NULL of one that somebody else sent, or from before there was this column.
ALTER TABLE outbox ADD COLUMN run_id TEXT;
CREATE INDEX outbox_by_run ON outbox (run_id) WHERE run_id IS NOT NULL;
