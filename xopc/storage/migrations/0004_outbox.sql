-- What the outbox remembers of expiry, of the kind of an error, of attempts that nobody knows the end of, and of pauses.

ALTER TABLE outbox ADD COLUMN error_class TEXT;
-- Seconds; NULL leaves it to the configuration.
ALTER TABLE outbox ADD COLUMN ttl REAL;
-- When it was a dead letter that somebody had sent again: its time to live counts from there.
ALTER TABLE outbox ADD COLUMN retried_at REAL;
-- The pause that next_attempt_at is the end of, in seconds: no clock makes it longer.
ALTER TABLE outbox ADD COLUMN pause REAL NOT NULL DEFAULT 0;
UPDATE outbox SET pause = 360 WHERE next_attempt_at > 0;
-- Attempts of which nobody knows whether they arrived.
ALTER TABLE outbox ADD COLUMN unclear INTEGER NOT NULL DEFAULT 0;
UPDATE outbox SET unclear = possible_duplicate;

-- Accounts that a platform wants to be left alone.
CREATE TABLE outbox_pauses (
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    until   REAL NOT NULL,
    seconds REAL NOT NULL, -- of its length: no clock makes it longer
    reason  TEXT NOT NULL,
    PRIMARY KEY (channel, account)
) WITHOUT ROWID;
