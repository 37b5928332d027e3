"""A generation that answers from memory: services for the gate, and what they tell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

from tests.fakes.door import TOKEN, open_door
from tests.fakes.message_path import MessagePath
from xopc.config.edit import Editor
from xopc.config.paths import resolve_paths
from xopc.config.resolve import Flags, weigh
from xopc.contracts.api.config import Reloaded
from xopc.contracts.api.status import (
    Health,
    HealthStatus,
    MemoryUse,
    Restart,
    RestartAccepted,
    RestartKind,
    StandingProblem,
    Status,
    TaskState,
    TreeNode,
)
from xopc.contracts.auth import AuthMode
from xopc.contracts.messages import Address, Outbound, OutboxRow, OutboxState
from xopc.contracts.settings.file import Settings
from xopc.core.logs.level import LevelSwitch
from xopc.server.door.door import Door
from xopc.server.services import Logs, Services
from xopc.server.slots import Slots
from xopc.storage.transactions.traces import StoredTrace

BEARER = (b"authorization", f"Bearer {TOKEN}".encode())
AT = "2026-11-20T10:00:00.000Z"


class _Nothing:
    """Where a test needs no message path."""

    def __getattr__(self, name: str) -> _Nothing:
        return self


@define
class Generation:
    """Counts itself, and remembers the restarts that it was asked for."""

    number: int = 1
    secret: str | None = field(default=TOKEN, repr=False)
    mode: AuthMode = AuthMode.TOKEN
    restarts: list[str] = field(factory=list[str])
    on_status: Callable[[], Awaitable[None]] | None = None
    """Awaited before the status is told."""
    on_restart: Callable[[], None] | None = None
    """Called before a restart is accepted."""
    reloads: list[str] = field(factory=list[str])
    reloaded: Reloaded = field(default=Reloaded(reloaded=True))
    """What comes of a reload."""
    home: str = "/home/ann"
    """Where its configuration file is, if there is one."""
    told: list[str | None] = field(factory=list[str | None])
    """What was told of the saving of the configuration."""
    path: MessagePath | None = None
    """None: requests to the message path fail."""
    logs: Logs = field(factory=lambda: Logs(Path("/nowhere/logs"), LevelSwitch()))
    door: Door = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.door = open_door(self.secret, self.mode)

    def services(self) -> Services:
        path: Any = self.path or _Nothing()
        settings = self.path.settings if self.path else Settings()
        return Services(
            door=self.door,
            health=self.health,
            status=self.status,
            metrics=self.metrics,
            ways=self.ways,
            tree=self.tree,
            restart=self.restart,
            reload=self.reload,
            config=self.editor(),
            settings=settings,
            event_streams=Slots(settings.gateway.max_sse_connections),
            storage=path.storage,
            inbox=path.inbox,
            sessions=path.sessions,
            heartbeat=path.heartbeat,
            runs=path.runs,
            hub=path.hub,
            outbox=path.outbox,
            channels=path.channels,
            route=path.route,
            why_no_model=lambda ref: f'There is no model "{ref}".' if ref.startswith("missing/") else None,
            upkeep=path.upkeep,
            logs=self.logs,
            cron=path.cron,
        )

    def editor(self) -> Editor:
        environ = {"HOME": self.home, "XOPC_GATEWAY_TOKEN": TOKEN}
        return Editor(weigh(resolve_paths(environ), None, "none", environ, Flags()), environ, Flags(), self.told.append)

    async def metrics(self) -> str:
        return f"# TYPE xopc_generation gauge\nxopc_generation {self.number}\n"

    async def ways(self, wanted: str) -> list[StoredTrace]:
        address = Address("telegram", "default", "4711")
        return [StoredTrace(None, (OutboxRow(wanted, Outbound(address, "hello"), OutboxState.PENDING, 1.0),))]

    def health(self) -> Health:
        return Health(
            status=HealthStatus.HEALTHY,
            uptime=3600,
            service="xopc-gateway",
            version="0.1.0",
            boot_id="b00t",
            generation=self.number,
            pid=100,
            gateway_pid=101,
            started_at=AT,
            problems=("hand-over",),
        )

    async def status(self) -> Status:
        if self.on_status:
            await self.on_status()
        return Status(
            health=self.health(),
            port=18790,
            addresses=("127.0.0.1:18790",),
            auth_mode=self.mode.value,
            config_path="/home/ann/.xopc/xopc.json",
            state_dir="/home/ann/.xopc",
            last_restart=Restart(RestartKind.IN_PROCESS, "a new configuration", "b00t", self.number, AT, 12),
            restarts=self.number - 1,
            memory=MemoryUse(rss=40_000_000, pss=None),
            connections=1,
            warnings=(),
            problems=(StandingProblem("hand-over", "The new process could not take over.", AT),),
            limiter=self.door.status(),
        )

    def tree(self) -> TreeNode:
        lane = TreeNode("lane", TaskState.BACKING_OFF, AT, restarts=2, last_error="refused")
        outbox = TreeNode("outbox", TaskState.RUNNING, AT, children=(lane,))
        return TreeNode("main", TaskState.RUNNING, AT, children=(outbox,))

    def restart(self, reason: str) -> RestartAccepted:
        if self.on_restart:
            self.on_restart()
        self.restarts.append(reason)
        return RestartAccepted("restarting", "b00t", self.number)

    async def reload(self, reason: str, *, anew: bool = True) -> Reloaded:
        await trio.lowlevel.checkpoint()
        self.reloads.append(reason)
        return self.reloaded
