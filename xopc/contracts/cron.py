"""Jobs of the scheduler and their runs, as they are stored. Times are seconds since the epoch."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen


class ScheduleKind(Enum):
    """How a schedule says when."""

    CRON = "cron"
    """At the times that a cron expression fits."""
    AT = "at"
    """Once."""
    EVERY = "every"
    """Again and again, after the same span of time."""


@frozen
class Schedule:
    """When a job is due. What belongs to another kind is None."""

    kind: ScheduleKind
    expr: str | None = None
    """Of `cron`: five fields, or six with the seconds first."""
    at: float | None = None
    """Of `at`."""
    every_ms: int | None = None
    """Of `every`."""


class SessionTarget(Enum):
    """Where a job's text is answered."""

    MAIN = "main"
    """In the session of the chat that it is delivered to."""
    ISOLATED = "isolated"
    """In a session of the job's own."""


class PayloadKind(Enum):
    """What a job's text is."""

    SYSTEM_EVENT = "systemEvent"
    """Something that happens, for the agent to react to."""
    AGENT_TURN = "agentTurn"
    """What the agent is asked, as if a person had written it."""


@frozen
class Payload:
    """What a job says."""

    kind: PayloadKind
    text: str
    model: str | None = None
    """Before that of the job."""
    timeout_seconds: int | None = None
    """Of one attempt; None leaves it to the job."""


class DeliveryMode(Enum):
    """What becomes of the answer."""

    NONE = "none"
    """It stays in its session."""
    ANNOUNCE = "announce"
    """It is sent to the chat."""
    DIRECT = "direct"
    """As `announce`; a job of the main session has its text sent as it is, and no agent reads it."""


@frozen
class JobDelivery:
    """Where the answer goes."""

    mode: DeliveryMode = DeliveryMode.ANNOUNCE
    channel: str | None = None
    to: str | None = None
    """The chat, as the platform spells it."""
    best_effort: bool = False
    """A failure is not told in the chat."""
    account: str | None = None
    """Of the channel; None is its default one."""


@frozen
class Job:
    """What somebody wants to be done, and when."""

    id: str
    schedule: Schedule
    payload: Payload
    created_at: float
    updated_at: float
    name: str | None = None
    timezone: str | None = None
    """IANA; None is `cron.defaultTimezone`."""
    enabled: bool = True
    session_target: SessionTarget = SessionTarget.MAIN
    delivery: JobDelivery | None = None
    model: str | None = None
    max_retries: int = 3
    timeout_ms: int = 60_000
    """Of one attempt."""

    @property
    def is_direct(self) -> bool:
        """Whether its text is sent as it is."""
        is_sent = self.delivery is not None and self.delivery.mode is DeliveryMode.DIRECT
        return is_sent and self.session_target is SessionTarget.MAIN

    @property
    def chosen_model(self) -> str | None:
        """The model of its turns; None leaves it to the agent."""
        return self.payload.model or self.model

    @property
    def timeout_seconds(self) -> float:
        """Of one attempt."""
        return self.payload.timeout_seconds or self.timeout_ms / 1000


class RunStatus(Enum):
    """Where a run of a job is."""

    RUNNING = "running"
    """Its agent works, or it waits to try again."""
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Somebody stopped it, or deleted its session."""
    SKIPPED = "skipped"
    """It was due, and did not begin: the one before it was still running, or the time had long passed."""


@frozen
class JobRun:
    """One run of a job, with all of its attempts."""

    id: str
    job_id: str
    status: RunStatus
    started_at: float
    scheduled_at: float | None = None
    """When it was due; None: somebody asked for it."""
    ended_at: float | None = None
    error: str | None = None
    """Of the last attempt."""
    summary: str | None = None
    """The beginning of what the agent said."""
    retries: int = 0
    """Attempts after the first."""
    retry_at: float | None = None
    """When the next attempt begins; None where one is under way, or none follows."""
    turn_id: str | None = None
    """The agent's run of the latest attempt."""
    session_key: str | None = None
    model: str | None = None
    """Which answered, or which was asked for."""
    seq: int = field(default=0, eq=False)
    """Its place among all runs."""


@frozen
class JobState:
    """How a job fares."""

    next_run_at: float | None = None
    running_since: float | None = None
    last_run_at: float | None = None
    last_status: RunStatus | None = None
    last_error: str | None = None
    last_duration_ms: int | None = None
    consecutive_errors: int = 0
    schedule_error: str | None = None
    """Why it has no next run, where its schedule is no longer understood."""
    schedule_errors: int = 0
    """How often that was found."""


@frozen
class StoredJob:
    """A job as it stands in the database."""

    job: Job
    state: JobState
    revision: int
    """Counts its changes by people: who wants to change it says which one he has seen."""
