-- What the inbox remembers of attempts, of messages that are parked, and of requests that may come again.

-- 0 of what was accepted before there was this column.
ALTER TABLE inbox ADD COLUMN accepted_at REAL NOT NULL DEFAULT 0;
-- How many times its turn stopped without an end: its process died, or its worker failed. A drain does not count.
ALTER TABLE inbox ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE inbox ADD COLUMN last_error TEXT;
-- When it was given up; only of a row that has finished.
ALTER TABLE inbox ADD COLUMN parked_at REAL;
-- The chat, with its thread, that its answer is sent to; NULL where it is sent nowhere.
ALTER TABLE inbox ADD COLUMN place TEXT;
CREATE INDEX inbox_open ON inbox ((boot_id IS NULL), id) WHERE finished_at IS NULL;
CREATE INDEX inbox_by_place ON inbox (place, id) WHERE finished_at IS NULL;
CREATE INDEX inbox_parked ON inbox (parked_at) WHERE parked_at IS NOT NULL;

-- A hash of what was asked for under the key, if that may be asked for again by a caller of the API.
ALTER TABLE dedupe_keys ADD COLUMN request TEXT;
