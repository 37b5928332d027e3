"""The gateway as one nursery tree: what runs, in which order it starts, restarts and ends.

storage                    the life of the process
├─ orders                  signals and the supervisor's words
├─ alive                   tells the supervisor that the event loop turns
├─ server                  the accept loop: knows the gate, not the services
└─ generation              all that depends on the configuration
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from enum import IntEnum

import structlog
import trio
from attrs import frozen

import xopc
from xopc.config.resolve import Flags, Resolved
from xopc.config.setup import prepare
from xopc.contracts.api import (
    HealthStatus,
    Restart as RestartRecord,
    RestartAccepted,
    RestartKind,
    Status,
    TaskState,
)
from xopc.contracts.errors import ConfigError, Failure, XopcError
from xopc.core.hub import Hub
from xopc.core.runs import Runs
from xopc.core.tasks import Branch, Node, open_branch, utc_now
from xopc.gateway.drain import LINGER_SECONDS, drain, force_exit
from xopc.gateway.generation import Generation, Life, start_generation
from xopc.gateway.line import Line
from xopc.gateway.memory import collect_generation
from xopc.gateway.orders import Orders, Restart, Stop, receive_orders
from xopc.gateway.vitals import Identity, Vitals, addresses_of
from xopc.server.api import ROUTES
from xopc.server.app import build_app
from xopc.server.front import Front
from xopc.server.gate import Gate
from xopc.server.routes import Route
from xopc.server.serve import Server
from xopc.server.services import Services
from xopc.storage.base import Boot, StorageError
from xopc.storage.sqlite import SqliteStorage, open_storage
from xopc_supervisor import contract
from xopc_supervisor.contract import Inheritance

ALIVE_SECONDS = 1.0
RESTART_EXPECTED_MS = 1500
"""What subscribers are told of how long a restart takes."""
log = structlog.get_logger("xopc.gateway")


class Outcome(IntEnum):
    """How a gateway ends, as its exit code."""

    STOP = contract.EXIT_OK
    RESPAWN = contract.EXIT_RESTART


@frozen
class Home:
    """What a gateway process starts with."""

    resolved: Resolved
    flags: Flags
    environ: Mapping[str, str]
    inheritance: Inheritance
    listeners: list[socket.socket]
    line: Line
    routes: tuple[Route, ...] = ROUTES


async def run(home: Home) -> Outcome:
    """Start the tree, follow orders until one ends it, and end it in order."""
    root = Node("gateway")
    async with open_storage(home.resolved.paths.database) as storage:
        root.add("storage", state=TaskState.RUNNING)
        async with open_branch(root) as branch:
            gateway = Gateway(home, storage, branch)
            await gateway.start()
            outcome = await gateway.follow_orders()
            branch.cancel()
    return outcome


class Gateway:
    """The running gateway: one tree, of which one generation at a time."""

    def __init__(self, home: Home, storage: SqliteStorage, branch: Branch) -> None:
        self._home = home
        self._storage = storage
        self._branch = branch
        self._orders = Orders()
        self._gate = Gate()
        self._vitals = Vitals(_identity(home), connections=lambda: self._server.connections)
        self._server = Server(Front(build_app(self._gate, home.routes), self._vitals.answer))
        self._hub = Hub(home.inheritance.boot_id)
        self._runs = Runs()
        self._life = Life(storage, self._runs, self._hub, home.inheritance.boot_id, home.environ)
        self._generation: Generation

    # ---------------------------------------------------------------- start

    async def start(self) -> None:
        """Storage is open; bring up the rest, and say `ready`."""
        home, inheritance = self._home, self._home.inheritance
        await self._storage.record_boot(
            Boot(inheritance.boot_id, os.getpid(), xopc.__version__, utc_now(), inheritance.reason)
        )
        await self._branch.start("orders", receive_orders, home.line, self._orders.give)
        generation = await start_generation(self._branch, 1, home.resolved, self._life)
        down_since = inheritance.since
        duration_ms = None if down_since is None else round((time.monotonic() - down_since) * 1000)
        await self._record(generation, RestartKind(inheritance.kind), inheritance.reason, duration_ms)
        self._take_over(generation)
        await self._branch.start("server", self._server.run, home.listeners)
        home.line.say(contract.LISTENING)
        await self._branch.start("alive", _say_alive, home.line)
        home.line.say(contract.READY)
        await self._generation.begin_phase_2()
        log.info("The gateway is ready.", addresses=self._vitals.identity.addresses, version=xopc.__version__)

    def _take_over(self, generation: Generation) -> None:
        """Let requests through to a new generation. Its restart is recorded already: whoever sees it may ask why."""
        for warning in generation.resolved.warnings:
            log.warn(warning)
        self._generation = generation
        self._vitals.generation = generation
        self._vitals.status = HealthStatus.HEALTHY
        self._gate.open(self._services(generation))

    def _services(self, generation: Generation) -> Services:
        async def status() -> Status:
            return self._vitals.full(generation, await self._storage.last_restart())

        def restart(reason: str) -> RestartAccepted:
            if not generation.resolved.settings.commands.restart:
                raise XopcError(
                    Failure.FORBIDDEN, "Restarts are disabled in the configuration (commands.restart=false)."
                )
            self._orders.give(Restart(contract.IN_PROCESS, reason))
            return RestartAccepted(HealthStatus.RESTARTING.value, self._vitals.identity.boot_id, generation.number)

        return Services(
            auth=generation.resolved.auth,
            health=self._vitals.health,
            status=status,
            tree=self._branch.node.snapshot,
            restart=restart,
            settings=generation.resolved.settings,
            storage=self._storage,
            inbox=generation.inbox,
            sessions=generation.sessions,
            runs=self._runs,
            hub=self._hub,
            outbox=generation.outbox,
            channels=generation.channels,
            route=generation.route,
        )

    async def _record(self, generation: Generation, kind: RestartKind, reason: str, duration_ms: int | None) -> None:
        boot_id = self._vitals.identity.boot_id
        record = RestartRecord(kind, reason, boot_id, generation.number, utc_now(), duration_ms)
        try:
            await self._storage.record_restart(record)
        except StorageError as error:
            log.error("The cause of this restart could not be stored.", reason=reason, error=str(error))

    # --------------------------------------------------------------- orders

    async def follow_orders(self) -> Outcome:
        """Restart as often as told; return when the process has to end."""
        while True:
            order = await self._orders.take()
            if isinstance(order, Stop):
                return await self._stop(order)
            if not self._allows(order):
                log.warn("SIGUSR1 restart ignored (commands.restart=false or unauthorized).", reason=order.reason)
            elif order.mode == contract.RESPAWN or not await self._restart(order):
                return await self._respawn(order)

    def _allows(self, order: Restart) -> bool:
        return order.mode == contract.RELOAD or self._generation.resolved.settings.commands.restart

    async def _restart(self, order: Restart) -> bool:
        """Replace the generation; False when the old one does not end, so that only a new process helps.

        A configuration that does not validate changes nothing: the old generation goes on.
        """
        try:
            resolved = await trio.to_thread.run_sync(prepare, self._home.environ, self._home.flags)
        except (ConfigError, OSError) as error:
            log.error("The restart is refused; the gateway goes on as it is.", reason=order.reason, error=str(error))
            return True
        began = trio.current_time()
        log.info("Restarting in this process.", reason=order.reason)
        self._home.line.say(contract.RESTART, contract.IN_PROCESS, order.reason)
        self._vitals.status = HealthStatus.RESTARTING
        self._gate.close()
        self._say_goodbye("restarting")
        await drain(self._drain_generation, cut=self._orders.stop_given)
        if self._orders.stop_given.is_set():
            return True
        self._gate.evict()
        if not await self._end_generation():
            log.error("The old generation does not end (a stuck thread?); a new process takes over.")
            return False
        self._tell_of_moved_address(resolved)
        generation = await start_generation(self._branch, self._generation.number + 1, resolved, self._life)
        duration_ms = round((trio.current_time() - began) * 1000)
        await self._record(generation, RestartKind.IN_PROCESS, order.reason, duration_ms)
        self._take_over(generation)
        self._home.line.say(contract.READY)
        await self._generation.begin_phase_2()
        collect_generation()
        log.info("Restarted.", reason=order.reason, duration_ms=duration_ms, generation=self._generation.number)
        return True

    async def _drain_generation(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._generation.drain)
            await self._gate.idle()

    async def _drain_all(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._generation.drain)
            await self._server.drain()

    def _say_goodbye(self, reason: str) -> None:
        """Part from the subscribers of broadcast events."""
        self._hub.close(reason, RESTART_EXPECTED_MS if reason == "restarting" else None)

    async def _end_generation(self) -> bool:
        """Whether all of the old generation is gone within `LINGER_SECONDS`: its tasks, and the requests inside it."""
        with trio.move_on_after(LINGER_SECONDS):
            await self._generation.end()
            await self._gate.idle()
            return True
        return False

    def _tell_of_moved_address(self, resolved: Resolved) -> None:
        before = self._home.resolved
        if (resolved.port, resolved.binding) != (before.port, before.binding):
            log.warn("gateway.port or gateway.bind changed: stop and start the gateway for them to take effect.")

    async def _respawn(self, order: Restart) -> Outcome:
        """Drain, and leave the sockets to a new process: whoever connects meanwhile waits in the backlog."""
        force_exit(Outcome.RESPAWN)
        log.info("Restarting in a new process.", reason=order.reason)
        self._home.line.say(contract.RESTART, contract.RESPAWN, order.reason)
        self._vitals.status = HealthStatus.RESTARTING
        self._say_goodbye("restarting")
        await drain(self._drain_all)
        return Outcome.RESPAWN

    async def _stop(self, order: Stop) -> Outcome:
        force_exit(Outcome.STOP)
        log.info("Stopping.", reason=order.reason)
        self._home.line.say(contract.STOPPING)
        self._vitals.status = HealthStatus.STOPPING
        self._gate.shut()
        self._say_goodbye("stopping")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_leave_at_second_stop, self._orders)
            await drain(self._drain_all)
            nursery.cancel_scope.cancel()
        return Outcome.STOP


async def _leave_at_second_stop(orders: Orders) -> None:
    """Whoever asks twice does not want to wait."""
    again = await orders.stop()
    log.warn("Stopping without waiting.", reason=again.reason, forced=True)
    os._exit(Outcome.STOP)


async def _say_alive(line: Line, *, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    while True:
        line.say(contract.ALIVE)
        await trio.sleep(ALIVE_SECONDS)


def _identity(home: Home) -> Identity:
    return Identity(
        boot_id=home.inheritance.boot_id,
        supervisor_pid=home.inheritance.supervisor_pid,
        gateway_pid=os.getpid(),
        addresses=addresses_of(home.listeners),
        port=home.listeners[0].getsockname()[1],
    )
