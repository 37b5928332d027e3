-- Jobs and their runs. Times are seconds since the epoch. JSON is that of xopc/contracts/convert.py.

CREATE TABLE cron_jobs (
    seq                INTEGER PRIMARY KEY,
    id                 TEXT NOT NULL UNIQUE,
    job                TEXT NOT NULL, -- JSON; whether it is enabled stands beside it
    enabled            INTEGER NOT NULL,
    revision           INTEGER NOT NULL DEFAULT 1,
    -- When it is due; NULL where it is not, as of one that is disabled.
    next_run_at        REAL,
    last_run_at        REAL,
    last_status        TEXT,
    last_error         TEXT,
    last_duration_ms   INTEGER,
    consecutive_errors INTEGER NOT NULL DEFAULT 0,
    schedule_error     TEXT,
    schedule_errors    INTEGER NOT NULL DEFAULT 0,
    -- How often it has ended each way, whatever is left of its history.
    successes          INTEGER NOT NULL DEFAULT 0,
    failures           INTEGER NOT NULL DEFAULT 0,
    cancellations      INTEGER NOT NULL DEFAULT 0,
    skips              INTEGER NOT NULL DEFAULT 0,
    total_ms           INTEGER NOT NULL DEFAULT 0,
    CHECK (enabled OR next_run_at IS NULL)
);
CREATE INDEX cron_jobs_by_time ON cron_jobs (next_run_at) WHERE next_run_at IS NOT NULL;

CREATE TABLE cron_runs (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    job_id       TEXT NOT NULL REFERENCES cron_jobs (id) ON DELETE CASCADE,
    status       TEXT NOT NULL,
    started_at   REAL NOT NULL,
    -- NULL: somebody asked for it.
    scheduled_at REAL,
    ended_at     REAL,
    error        TEXT,
    summary      TEXT,
    retries      INTEGER NOT NULL DEFAULT 0,
    -- Of the next attempt; NULL where one is under way, or none follows.
    retry_at     REAL,
    -- The agent's run, which is a row of the inbox.
    turn_id      TEXT,
    session_key  TEXT,
    model        TEXT,
    CHECK ((ended_at IS NULL) = (status = 'running'))
);
CREATE INDEX cron_runs_by_job ON cron_runs (job_id, seq);
CREATE INDEX cron_runs_by_end ON cron_runs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX cron_runs_by_time ON cron_runs (job_id, scheduled_at) WHERE scheduled_at IS NOT NULL;
-- Runs of one job never overlap.
CREATE UNIQUE INDEX cron_runs_open ON cron_runs (job_id) WHERE ended_at IS NULL;
