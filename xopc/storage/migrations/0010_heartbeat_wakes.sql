-- What woke the heartbeat, until a beat comes of it or it is known that there should be none.

CREATE TABLE heartbeat_wakes (
    seq     INTEGER PRIMARY KEY,
    reason  TEXT NOT NULL UNIQUE,
    -- Somebody wants to see it.
    by_hand INTEGER NOT NULL
);
