-- What keeps the database small.

-- By these the oldest of what may be forgotten is found.
CREATE INDEX inbox_answered ON inbox (finished_at) WHERE finished_at IS NOT NULL AND parked_at IS NULL;
CREATE INDEX dedupe_keys_done ON dedupe_keys ((request IS NULL), done_at) WHERE done_at IS NOT NULL;
CREATE INDEX outbox_settled ON outbox (state, settled_at) WHERE settled_at IS NOT NULL;
