-- Times are seconds since the epoch. JSON is that of xopc/contracts/convert.py.
-- An id only grows while rows with higher ones are there, so it gives the order; no clock does.

CREATE TABLE sessions (
    id               INTEGER PRIMARY KEY,
    key              TEXT NOT NULL UNIQUE,
    agent_id         TEXT NOT NULL,
    source           TEXT NOT NULL,
    account_id       TEXT NOT NULL,
    peer_kind        TEXT NOT NULL,
    peer_id          TEXT NOT NULL,
    thread_id        TEXT,
    name             TEXT,
    model            TEXT,
    created_at       REAL NOT NULL,
    updated_at       REAL NOT NULL,
    message_count    INTEGER NOT NULL DEFAULT 0,
    estimated_tokens INTEGER NOT NULL DEFAULT 0,
    -- The seq of the last message before the history began anew.
    reset_seq        INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX sessions_by_update ON sessions (updated_at);
CREATE INDEX sessions_empty ON sessions (source, agent_id) WHERE message_count = 0;

-- Append-only: seq counts from 1 without gaps, so the newest is the session's message_count.
CREATE TABLE messages (
    session_id INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    run_id     TEXT,
    at         REAL NOT NULL,
    message    TEXT NOT NULL, -- JSON
    UNIQUE (session_id, seq)
);

-- A row is one message to answer, and the run that answers it.
CREATE TABLE inbox (
    id          INTEGER PRIMARY KEY,
    run_id      TEXT NOT NULL UNIQUE,
    session_id  INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
    dedupe_key  TEXT NOT NULL,
    inbound     TEXT NOT NULL, -- JSON
    bound       INTEGER NOT NULL,
    deliver     INTEGER NOT NULL,
    model       TEXT,
    -- The opening of the database in which it was accepted: an unclaimed bound row of another one has no caller left.
    opening     TEXT NOT NULL,
    -- The boot that has claimed it.
    boot_id     TEXT,
    -- The seq of the user's message, with which the run began; NULL before.
    first_seq   INTEGER,
    finished_at REAL,
    result      TEXT, -- JSON
    CHECK ((finished_at IS NULL) = (result IS NULL))
);
CREATE INDEX inbox_by_session ON inbox (session_id, finished_at, id);

-- Apart from the inbox, because they outlive its rows.
CREATE TABLE dedupe_keys (
    key     TEXT PRIMARY KEY,
    run_id  TEXT NOT NULL,
    -- When the run ended, or its session was deleted; NULL before.
    done_at REAL
) WITHOUT ROWID;

CREATE TABLE cursors (
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (channel, account)
) WITHOUT ROWID;

CREATE TABLE outbox (
    seq                INTEGER PRIMARY KEY,
    id                 TEXT NOT NULL UNIQUE,
    lane               TEXT NOT NULL,
    outbound           TEXT NOT NULL, -- JSON
    idempotency_key    TEXT UNIQUE,
    state              TEXT NOT NULL DEFAULT 'pending',
    created_at         REAL NOT NULL,
    attempts           INTEGER NOT NULL DEFAULT 0,
    next_attempt_at    REAL NOT NULL DEFAULT 0,
    parts_sent         INTEGER NOT NULL DEFAULT 0,
    last_error         TEXT,
    platform_ids       TEXT NOT NULL DEFAULT '[]', -- JSON
    possible_duplicate INTEGER NOT NULL DEFAULT 0,
    settled_at         REAL,
    CHECK ((settled_at IS NULL) = (state IN ('pending', 'inflight')))
);
CREATE INDEX outbox_unsent ON outbox (lane, seq) WHERE settled_at IS NULL;
CREATE INDEX outbox_by_state ON outbox (state);
