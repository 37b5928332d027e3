"""What requests may reach of the generation that serves them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

from attrs import frozen

from xopc.channels.base import Channel
from xopc.config.edit import Editor
from xopc.contracts.api.config import Reloaded
from xopc.contracts.api.status import Health, RestartAccepted, Status, TreeNode
from xopc.contracts.keys import SessionKey
from xopc.contracts.messages import Inbound
from xopc.contracts.settings.file import Settings
from xopc.core.cron.scheduler import Scheduler
from xopc.core.heartbeat.heart import Heartbeat
from xopc.core.hub import Hub
from xopc.core.inbox import Inbox
from xopc.core.logs.level import LevelSwitch
from xopc.core.outbox.outbox import Outbox
from xopc.core.sessions.runs import Runs
from xopc.core.sessions.sessions import Sessions
from xopc.core.sessions.upkeep import Upkeep
from xopc.server.door.door import Door
from xopc.server.slots import Slots
from xopc.storage.path.cron import WholeStorage
from xopc.storage.transactions.traces import StoredTrace


@frozen
class Logs:
    """The log of the gateway's process, which outlives a generation."""

    directory: Path
    level: LevelSwitch


class Reload(Protocol):
    """Brings what the configuration file says now into effect."""

    async def __call__(self, reason: str, *, anew: bool = True) -> Reloaded:
        """`anew`: programs are asked again for the secrets that they tell."""
        ...


@frozen
class Services:
    """The services of one generation: the parts of the core, and callables for what stands behind it."""

    door: Door
    health: Callable[[], Health]
    status: Callable[[], Awaitable[Status]]
    metrics: Callable[[], Awaitable[str]]
    """What is counted, as Prometheus reads it."""
    ways: Callable[[str], Awaitable[list[StoredTrace]]]
    """What the storage knows of the messages that an id names."""
    tree: Callable[[], TreeNode]
    restart: Callable[[str], RestartAccepted]
    """Ask for an in-process restart with a reason, and return at once: the restart waits for the requests
    inside the gate, among them the one that asks. Raises `XopcError` where the configuration forbids it."""
    reload: Reload
    """Bring what the configuration file says now into effect, with a reason for the log: at once what can be, and by
    an in-process restart, which waits as the one above, what cannot. Raises nothing for a file that is refused."""
    config: Editor
    """Shows and changes the configuration file."""
    settings: Settings
    storage: WholeStorage
    inbox: Inbox
    sessions: Sessions
    heartbeat: Heartbeat
    runs: Runs
    hub: Hub
    outbox: Outbox
    channels: Mapping[str, Channel]
    """By their ids: those that are enabled."""
    route: Callable[[Inbound], SessionKey]
    """The session that a message from a channel belongs to."""
    why_no_model: Callable[[str], str | None]
    """Why no model answers to a reference, in a sentence; None where one does."""
    logs: Logs
    upkeep: Upkeep
    event_streams: Slots
    """Of `GET /api/events` and `GET /api/logs/stream`. A reload keeps them, so that those that are open count on."""
    cron: Scheduler
