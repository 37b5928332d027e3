"""What the gateway says of itself: health for everybody, status for those with a credential."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus

import trio
from attrs import define, field, frozen

import xopc
from xopc.config.paths import from_home
from xopc.contracts.api.status import Health, HealthStatus, LastReload, MemoryUse, Restart, Status
from xopc.contracts.convert import unstructure
from xopc.core.tasks import utc_now
from xopc.gateway.generation import Generation
from xopc.gateway.memory import memory_use
from xopc.gateway.problems import Problems
from xopc_supervisor.contract import Inheritance

SERVICE = "xopc-gateway"
MEMORY_SECONDS = 1.0
"""How long a measure of the memory is told again: the kernel adds it up over all mappings, in most of a millisecond."""


@frozen
class Identity:
    """What does not change while the process lives."""

    boot_id: str
    supervisor_pid: int
    gateway_pid: int
    addresses: tuple[str, ...]
    """`host:port` of each listening socket."""
    port: int

    @classmethod
    def of(cls, inheritance: Inheritance, serving: Sequence[socket.socket]) -> Identity:
        """That of this process, which serves at these sockets."""
        port = serving[0].getsockname()[1]
        return cls(inheritance.boot_id, inheritance.supervisor_pid, os.getpid(), addresses_of(serving), port)


@define(eq=False)
class Vitals:
    """The state of the gateway, from which health and status are read."""

    identity: Identity
    connections: Callable[[], int]
    problems: Problems = field(factory=Problems)
    status: HealthStatus = HealthStatus.HEALTHY
    """Of the gateway as such; a channel that is down, or a problem, makes a healthy one degraded."""
    generation: Generation | None = None
    _cached: tuple[object, bytes] = field(default=(None, b""), init=False)
    _measured: tuple[float, MemoryUse] | None = field(default=None, init=False)

    def health(self) -> Health:
        """The body of `/health`."""
        generation = self.generation
        status = self.status
        is_degraded = self.problems.degrades or (generation is not None and generation.is_degraded())
        if status is HealthStatus.HEALTHY and is_degraded:
            status = HealthStatus.DEGRADED
        return Health(
            status=status,
            uptime=int(trio.current_time() - generation.started) if generation else 0,
            service=SERVICE,
            version=xopc.__version__,
            boot_id=self.identity.boot_id,
            generation=generation.number if generation else 0,
            pid=self.identity.supervisor_pid,
            gateway_pid=self.identity.gateway_pid,
            started_at=generation.started_at if generation else utc_now(),
            problems=tuple(problem.code for problem in self.problems.standing()),
        )

    def answer(self) -> tuple[int, bytes]:
        """HTTP status and body of `/health`, encoded once a second as long as nothing changes."""
        generation = self.generation
        key = (
            self.status,
            generation.number if generation else 0,
            int(trio.current_time() - generation.started) if generation else 0,
            self.problems.standing(),
        )
        if self._cached[0] != key:
            self._cached = (key, json.dumps(unstructure(self.health())).encode())
        code = HTTPStatus.SERVICE_UNAVAILABLE if self.status is HealthStatus.STOPPING else HTTPStatus.OK
        return code, self._cached[1]

    def full(
        self, generation: Generation, last_restart: Restart | None, last_reload: LastReload | None = None
    ) -> Status:
        """The body of `/api/status`, of the generation that serves the request."""
        paths = generation.resolved.paths
        return Status(
            health=self.health(),
            port=self.identity.port,
            addresses=self.identity.addresses,
            auth_mode=generation.resolved.auth.mode.value,
            config_path=from_home(paths.config_path),
            state_dir=from_home(paths.state_dir),
            last_restart=last_restart,
            restarts=generation.number - 1,
            memory=self._memory(),
            connections=self.connections(),
            warnings=generation.resolved.warnings,
            problems=self.problems.standing(),
            last_reload=last_reload,
        )

    def _memory(self) -> MemoryUse:
        now = trio.current_time()
        if self._measured is None or now - self._measured[0] > MEMORY_SECONDS:
            self._measured = (now, memory_use())
        return self._measured[1]


def addresses_of(listeners: Iterable[socket.socket]) -> tuple[str, ...]:
    """`127.0.0.1:18790`, `[::1]:18790`."""
    names = [listener.getsockname()[:2] for listener in listeners]
    return tuple(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in names)
