"""The bodies of the REST API. Attribute names go out in camel case (`boot_id` is `bootId`)."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen
from attrs.validators import max_len, optional

from xopc.contracts.api.storage import StorageUse
from xopc.contracts.convert import LIMITS
from xopc.contracts.messages import NO_MESSAGES, InboxCounts


class HealthStatus(Enum):
    """How the gateway is, in one word."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """It serves, but something that should run does not."""
    RESTARTING = "restarting"
    """It accepts, and answers once the restart is over."""
    STOPPING = "stopping"


@frozen
class Health:
    """`GET /health` and `GET /api/health`."""

    status: HealthStatus
    uptime: int
    """Whole seconds since the running generation started."""
    service: str
    """Always `xopc-gateway`."""
    version: str
    boot_id: str
    """New for each process."""
    generation: int
    """1 for the first of a process, one more after each in-process restart."""
    pid: int
    """The process to signal: the supervisor's."""
    gateway_pid: int
    started_at: str
    """ISO 8601, UTC: when the running generation started."""
    problems: tuple[str, ...] = ()
    """Codes of what is wrong now; `GET /api/status` says more."""


@frozen
class StandingProblem:
    """Something that is wrong now, and goes away once it is mended."""

    code: str
    """storage, disk, log, configuration, config-file, reload, addresses, tls or hand-over."""
    message: str
    """What, where, and what to do."""
    since: str
    """ISO 8601, UTC."""


class RestartKind(Enum):
    """How a generation came to be."""

    START = "start"
    IN_PROCESS = "in-process"
    RESPAWN = "respawn"
    CRASH = "crash"
    SERVICE = "service"
    """The process ends, and the service manager starts the next one."""


@frozen
class Restart:
    """One start or restart, and its cause."""

    kind: RestartKind
    reason: str
    boot_id: str
    generation: int
    at: str
    """ISO 8601, UTC: when it was complete."""
    duration_ms: int | None
    """How long nobody was answered; None where the beginning is not known."""


@frozen
class LastReload:
    """How it went when the configuration was read again, the last time that this process did."""

    at: str
    """ISO 8601, UTC."""
    reason: str
    hot: tuple[str, ...] = ()
    """Keys that took effect at once."""
    restart: tuple[str, ...] = ()
    """Keys that take effect with a restart."""
    error: str | None = None
    """Why the file was refused; nothing changed then."""


class TaskState(Enum):
    """Where a task of the tree is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing-off"
    """It failed and is started again after a pause."""
    STOPPED = "stopped"
    FAILED = "failed"


@frozen
class TreeNode:
    """One task of the gateway's nursery tree, and the tasks below it."""

    name: str
    state: TaskState
    since: str
    """ISO 8601, UTC: when it came into this state."""
    restarts: int = 0
    last_error: str | None = None
    children: tuple[TreeNode, ...] = ()


@frozen
class MemoryUse:
    """Memory of the gateway's process, in bytes."""

    rss: int
    pss: int | None
    """Proportional set size; None where the system does not tell."""


@frozen
class BlockedClient:
    """A client that presented too many wrong credentials."""

    client: str
    """`192.0.2.7`, `2001:db8::/64`."""
    browser: str | None
    """The pages in its browser that are blocked, all of one origin or kind; None for its other programs."""
    retry_after: int
    """Seconds, until it may try again."""


@frozen
class LimiterStatus:
    """The limit on wrong credentials."""

    enabled: bool
    failures: int
    """All that were counted since this process started."""
    clients: int
    """How many have failed lately."""
    blocked: tuple[BlockedClient, ...]
    """The first hundred."""


_ADDRESS = {"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}, {"type": "null"}]}


@frozen
class UnlockRequest:
    """`POST /api/auth/unlock`."""

    client: str | None = field(default=None, validator=optional(max_len(100)), metadata={LIMITS: _ADDRESS})
    """An IP address; without one, all clients."""


@frozen
class Unlocked:
    """The failures are forgotten."""

    ok: bool
    unlocked: int
    """How many clients were blocked; the programs of one and each kind of pages in its browser count apart."""


@frozen
class Status:
    """`GET /api/status`: health with what only a credential may see."""

    health: Health
    port: int
    addresses: tuple[str, ...]
    """`host:port` of each listening socket."""
    auth_mode: str
    config_path: str
    state_dir: str
    last_restart: Restart | None
    restarts: int
    """In-process restarts of this process."""
    memory: MemoryUse
    connections: int
    """Open client connections."""
    warnings: tuple[str, ...]
    """What the configuration's reader had to say."""
    problems: tuple[StandingProblem, ...] = ()
    """What is wrong now, the oldest first."""
    limiter: LimiterStatus | None = None
    """Clients that presented wrong credentials; None in mode `none`."""
    last_reload: LastReload | None = None
    """None where nothing has changed since the process started."""
    inbox: InboxCounts = NO_MESSAGES
    """Messages that have no answer."""
    storage: StorageUse | None = None
    """The room that it takes; None where that cannot be measured."""


@frozen
class RestartRequest:
    """`POST /api/restart`."""

    reason: str | None = field(default=None, validator=optional(max_len(200)))
    """Recorded as the cause; at most 200 characters."""


@frozen
class RestartAccepted:
    """The restart is under way: `/health` shows it, and `generation` counts it."""

    status: str
    """Always `restarting`."""
    boot_id: str
    generation: int
    """The generation that will be replaced."""


@frozen
class ApiIndex:
    """`GET /api`: where to begin."""

    name: str
    """Always `xopc-gateway`."""
    version: str
    reference: str
    """The path of a page for people."""
    openapi: str
    """The path of the document for programs."""
    health: str
    """The path of the gateway's health."""


@frozen
class ErrorDetail:
    """What went wrong."""

    code: str
    """For programs."""
    message: str
    """For people: what, where, and how to mend it."""


@frozen
class ErrorBody:
    """Every answer that is not a success."""

    error: ErrorDetail


@frozen
class RateLimitedDetail:
    code: str
    message: str
    retry_after: int
    """Seconds, as in the header `Retry-After`."""


@frozen
class RateLimitedBody:
    """The answer to a client that is blocked."""

    error: RateLimitedDetail
