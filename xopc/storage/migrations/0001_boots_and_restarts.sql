-- Times are ISO 8601 in UTC. seq only grows: the newest row has the highest, and the oldest are pruned.

CREATE TABLE boots (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    pid        INTEGER NOT NULL,
    version    TEXT NOT NULL,
    started_at TEXT NOT NULL,
    cause      TEXT NOT NULL
);

-- boot_id is no foreign key: boots and restarts are pruned each by its own count.
CREATE TABLE restarts (
    seq         INTEGER PRIMARY KEY,
    kind        TEXT NOT NULL,
    reason      TEXT NOT NULL,
    boot_id     TEXT NOT NULL,
    generation  INTEGER NOT NULL,
    at          TEXT NOT NULL,
    duration_ms INTEGER
);
