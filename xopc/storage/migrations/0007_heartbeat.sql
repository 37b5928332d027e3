-- Times are seconds since the epoch.

-- The beat that was begun last, if any: one row.
CREATE TABLE heartbeat (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    run_id      TEXT NOT NULL,
    session_key TEXT NOT NULL,
    reason      TEXT NOT NULL,
    begun_at    REAL NOT NULL
);

-- What was sent without having been asked for, so that it is not sent again within a day.
CREATE TABLE told (
    digest  TEXT PRIMARY KEY, -- of its place and its text
    told_at REAL NOT NULL
) WITHOUT ROWID;
