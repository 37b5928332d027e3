"""The bodies of `/api/cron`. Times are ISO 8601, UTC, but for those in milliseconds since the epoch (`…AtMs`)."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import and_, ge, le, matches_re, max_len, optional

from xopc.contracts.api.paging import page_cursor, page_limit
from xopc.contracts.convert import spelled
from xopc.contracts.cron import DeliveryMode, PayloadKind, RunStatus, ScheduleKind, SessionTarget
from xopc.contracts.limits import ID, NAME, Text
from xopc.contracts.timezones import MAX_ZONE_CHARS

MAX_TEXT_CHARS = 50_000
_TEXT = Text(1, MAX_TEXT_CHARS)
_SCHEDULE = Text(1, 200)
_LABEL = optional(max_len(100))
_ZONE = optional(max_len(MAX_ZONE_CHARS))
_MODEL = optional(and_(max_len(100), matches_re(r"[^\s/]+/\S+|")))
_RETRIES = and_(ge(0), le(10))
_TIMEOUT = and_(ge(1000), le(300_000))

# ------------------------------------------------------------ what comes in


@frozen
class ScheduleBody:
    """When a job is due, where a cron expression alone does not say it."""

    kind: ScheduleKind
    expr: str | None = field(default=None, validator=_SCHEDULE)
    """Of `cron`."""
    at: str | None = field(default=None, validator=optional(max_len(64)))
    """Of `at`: ISO 8601; without an offset, in the job's time zone."""
    every_ms: int | None = field(default=None, validator=optional(and_(ge(1000), le(3_155_760_000_000))))
    """Of `every`."""


@frozen
class PayloadBody:
    """What a job says."""

    kind: PayloadKind
    text: str | None = field(default=None, validator=_TEXT)
    """Of `systemEvent`."""
    message: str | None = field(default=None, validator=_TEXT)
    """Of `agentTurn`."""
    model: str | None = field(default=None, validator=_MODEL)
    """Of `agentTurn`. Default: that of the job."""
    timeout_seconds: int | None = field(default=None, validator=optional(and_(ge(10), le(3600))))
    """Of `agentTurn`: before `timeout` of the job."""


@frozen
class DeliveryBody:
    """Where a job's answer goes."""

    mode: DeliveryMode
    channel: str | None = field(default=None, validator=optional(max_len(32)))
    to: str | None = field(default=None, validator=_LABEL)
    """The chat."""
    best_effort: bool = False
    """The chat is not told of a failure."""
    account_id: str | None = field(default=None, validator=NAME)
    """An account of the channel. Default: `default`, or else its first."""


@frozen
class CreateJob:
    """`POST /api/cron`: with `payload`, or in short with `message`."""

    schedule: str | ScheduleBody = field(validator=_SCHEDULE)
    """A cron expression of five fields, or of six with the seconds first."""
    payload: PayloadBody | None = None
    message: str | None = field(default=None, validator=_TEXT)
    """In place of `payload`: its text."""
    channel: str | None = field(default=None, validator=optional(max_len(32)))
    """In place of `delivery`, with `chat_id`."""
    chat_id: str | int | None = field(default=None, validator=ID, metadata=spelled("chat_id", "chatId"))
    name: str | None = field(default=None, validator=_LABEL)
    timezone: str | None = field(default=None, validator=_ZONE)
    """IANA. Default: `cron.defaultTimezone`."""
    enabled: bool = True
    session_target: SessionTarget = SessionTarget.MAIN
    delivery: DeliveryBody | None = None
    model: str | None = field(default=None, validator=_MODEL)
    """Default: that of the session or the agent."""
    max_retries: int = field(default=3, validator=_RETRIES)
    """After an attempt that failed: 30 seconds later, then 1, 5, 15 and 60 minutes."""
    timeout: int = field(default=60_000, validator=_TIMEOUT)
    """Of one attempt, in milliseconds."""


@frozen
class ChangeJob:
    """`PATCH /api/cron/{id}`: what is left out, or null, stays. An empty `name`, `timezone` or `model` is none."""

    schedule: str | ScheduleBody | None = field(default=None, validator=_SCHEDULE)
    payload: PayloadBody | None = None
    name: str | None = field(default=None, validator=_LABEL)
    timezone: str | None = field(default=None, validator=_ZONE)
    enabled: bool | None = None
    session_target: SessionTarget | None = None
    delivery: DeliveryBody | None = None
    model: str | None = field(default=None, validator=_MODEL)
    max_retries: int | None = field(default=None, validator=optional(_RETRIES))
    timeout: int | None = field(default=None, validator=optional(_TIMEOUT))


@frozen
class ToggleJob:
    """`POST /api/cron/{id}/toggle`."""

    enabled: bool | None = None
    """Default: the other way round."""


@frozen
class TriggerJob:
    """`POST /api/cron/trigger`."""

    job_id: str = field(validator=NAME, metadata=spelled("job_id", "jobId"))


@frozen
class JobHistoryQuery:
    """The query of `GET /api/cron/{id}/history`."""

    limit: int = page_limit(default=10)
    """How many, at most."""
    cursor: str | None = page_cursor()
    """Where to go on: `nextCursor` of the page before."""


@frozen
class AllHistoryQuery:
    """The query of `GET /api/cron/runs/history`."""

    limit: int = page_limit()
    """How many, at most."""
    cursor: str | None = page_cursor()
    """Where to go on: `nextCursor` of the page before."""


# ------------------------------------------------------------ what goes out


@frozen
class CronSchedule:
    """When a job is due."""

    kind: ScheduleKind
    expr: str | None
    at: str | None
    every_ms: int | None


@frozen
class CronPayload:
    """What a job says."""

    kind: PayloadKind
    text: str | None
    """Of `systemEvent`."""
    message: str | None
    """Of `agentTurn`."""
    model: str | None
    timeout_seconds: int | None


@frozen
class CronDelivery:
    """Where a job's answer goes."""

    mode: DeliveryMode
    channel: str | None
    to: str | None
    best_effort: bool
    account_id: str | None = None
    """Null: the channel's `default`, or else its first."""


@frozen
class CronJobState:
    """How a job fares."""

    next_run_at_ms: int | None
    running_at_ms: int | None
    """Since when it runs; null where it does not."""
    last_run_at_ms: int | None
    last_status: RunStatus | None
    last_error: str | None
    last_duration_ms: int | None
    consecutive_errors: int
    schedule_error_count: int


@frozen
class CronJob:
    """A job."""

    id: str
    name: str | None
    schedule: str | CronSchedule
    """The expression of a `cron` schedule, else an object."""
    timezone: str | None
    """Null: `cron.defaultTimezone`."""
    enabled: bool
    session_target: SessionTarget
    payload: CronPayload
    delivery: CronDelivery | None
    model: str | None
    max_retries: int
    timeout: int
    created_at: str = field(metadata=spelled("created_at"))
    updated_at: str = field(metadata=spelled("updated_at"))
    next_run: str | None = field(metadata=spelled("next_run"))
    """Null where none is planned."""
    schedule_error: str | None
    """Why it was disabled, where its schedule is no longer understood."""
    state: CronJobState


@frozen
class CronJobs:
    """`GET /api/cron`: all jobs, the oldest first."""

    jobs: tuple[CronJob, ...]


@frozen
class CronJobRead:
    """One job."""

    job: CronJob


@frozen
class CronJobCreated:
    """There is a new job."""

    id: str
    schedule: str | CronSchedule
    job: CronJob
    status: str = "ok"


@frozen
class CronJobChanged:
    """The job as it is now."""

    job: CronJob
    status: str = "ok"


@frozen
class CronTriggered:
    """A run has begun."""

    run_id: str
    """Of the history."""
    status: str = "ok"
    message: str = "Task triggered"


@frozen
class CronToggled:
    """`POST /api/cron/{id}/toggle`."""

    enabled: bool
    toggled: bool = True


@frozen
class CronRemoved:
    """`DELETE /api/cron/{id}`."""

    removed: bool


@frozen
class CronExecution:
    """One run of a job."""

    id: str
    job_id: str
    status: RunStatus
    scheduled_at: str | None
    """When it was due; null where somebody asked for it."""
    started_at: str
    ended_at: str | None
    duration: int | None
    """In milliseconds, pauses between attempts included."""
    error: str | None
    summary: str | None
    """The beginning of what the agent said."""
    retry_count: int
    """Attempts after the first."""
    retry_at: str | None
    """When the next attempt begins."""
    session_id: str | None
    """The agent's run: `POST /api/agent/resume` takes it."""
    session_key: str | None
    session_type: SessionTarget
    model: str | None


@frozen
class CronHistory:
    """Runs, the newest first."""

    history: tuple[CronExecution, ...]
    limit: int
    has_more: bool
    next_cursor: str | None
    """`cursor` of the next page; null where there is none."""


@frozen
class CronMetrics:
    """How jobs have fared, since each of those that are there was made."""

    scheduler_enabled: bool
    """`cron.enabled`."""
    total_jobs: int
    enabled_jobs: int
    running_jobs: int
    total_runs: int
    """All that have ended, skipped ones excepted."""
    successful_runs: int
    failed_runs: int
    cancelled_runs: int
    skipped_runs: int
    average_duration_ms: int | None
