"""The gateway as one nursery tree: what runs, in which order it starts, restarts and ends.

storage                    the life of the process
├─ orders                  signals and the supervisor's words
├─ events                  wakes the subscribers of the broadcast events
├─ alive                   tells the supervisor that the event loop turns
├─ addresses               looks whether this host has those that the configuration names
├─ tls                     reads the certificate anew when its files change
├─ server                  the accept loop: knows the gate, not the services
├─ config watcher          reloads the configuration when its file changes
├─ source watcher          has a new process take over when the sources change, for developers
└─ generation              all that depends on the configuration
"""

from __future__ import annotations

import time
from functools import partial

import structlog
import trio
from attrs import evolve

import xopc
from xopc.config.accepted import keep_accepted
from xopc.config.resolve import Resolved
from xopc.config.secrets.held import secrets_held
from xopc.contracts.api.status import (
    HealthStatus,
    Restart as RestartRecord,
    RestartKind,
    TaskState,
)
from xopc.core.hub import Hub
from xopc.core.sessions.runs import Runs
from xopc.core.tasks import Branch, Node, open_branch, utc_now
from xopc.gateway import problems
from xopc.gateway.addresses import watch_addresses
from xopc.gateway.causes import record_boot, record_restart
from xopc.gateway.departure import Departure, Outcome
from xopc.gateway.generation import Generation, Life, start_generation
from xopc.gateway.heirloom import receive_connections
from xopc.gateway.home import Home
from xopc.gateway.meters import Meters
from xopc.gateway.offer import Offer
from xopc.gateway.orders import Declined, HandOver, Orders, Restart, Stop, receive_orders
from xopc.gateway.reload import Reloader, Surroundings
from xopc.gateway.renewal import Renewal
from xopc.gateway.room import Room
from xopc.gateway.sources import watch_sources
from xopc.gateway.succession import Succession
from xopc.gateway.tls import Tls
from xopc.gateway.vitals import Identity, Vitals
from xopc.gateway.watch import TICK_SECONDS, Watch
from xopc.server.app import build_app
from xopc.server.door.door import Door, Policy
from xopc.server.slots import Slots
from xopc.server.wire.front import Front
from xopc.server.wire.gate import Gate
from xopc.server.wire.serve import Server
from xopc.storage.sqlite import SqliteStorage, open_storage
from xopc_supervisor import contract

log = structlog.get_logger("xopc.gateway")


async def run(home: Home) -> Outcome:
    """Start the tree, follow orders until one ends it, and end it in order."""
    root = Node("gateway")
    on_fault = home.problems.reporter(problems.STORAGE)
    meters = Meters()
    async with open_storage(home.resolved.paths.database, on_fault=on_fault, on_commit=meters.commit) as storage:
        root.add("storage", state=TaskState.RUNNING)
        with Watch(root.snapshot, log.error) as watch:
            async with open_branch(root) as branch:
                gateway = Gateway(home, storage, branch, watch, meters)
                await gateway.start()
                outcome = await gateway.follow_orders()
                branch.cancel()
    return outcome


class Gateway:
    """The running gateway: one tree, of which one generation at a time."""

    def __init__(self, home: Home, storage: SqliteStorage, branch: Branch, watch: Watch, meters: Meters) -> None:
        self._home = home
        self._meters = meters
        self._watch = watch
        self._storage = storage
        self._branch = branch
        self._orders = Orders()
        self._gate = Gate()
        self._vitals = Vitals(
            Identity.of(home.inheritance, home.places.serving), lambda: self._server.connections, home.problems
        )
        self._door = Door(self._policy(home.resolved), home.local_key)
        app = build_app(self._gate, self._door, home.routes, meters.request)
        self._server = Server(Front(app, self._door, self._vitals.answer))
        self._room = Room(home.resolved.paths.database, home.resolved.paths.log_dir, home.problems)
        self._tls = Tls(self._server.use_tls, home.problems)
        self._hub = Hub(home.inheritance.boot_id, meters.event)
        self._runs = Runs(meters.turn)
        self._life = Life(storage, self._runs, self._hub, home.inheritance.boot_id, home.environ)
        self._generation: Generation
        self._succession = Succession(home.line, self._orders, home.problems)
        self._reloader = Reloader(
            Surroundings(
                environ=home.environ,
                flags=home.flags,
                bound=home.resolved,
                problems=home.problems,
                hub=self._hub,
                give=self._orders.give,
                generation=lambda: self._generation,
                put_in_force=self._go_on,
            )
        )
        self._offer = Offer(
            home=home,
            storage=storage,
            door=self._door,
            vitals=self._vitals,
            meters=meters,
            room=self._room,
            hub=self._hub,
            runs=self._runs,
            orders=self._orders,
            reloader=self._reloader,
            tree=branch.node.snapshot,
        )
        self._renewal = Renewal(
            environ=home.environ,
            flags=home.flags,
            addresses=home.places.addresses,
            line=home.line,
            orders=self._orders,
            problems=home.problems,
            succession=self._succession,
            gate=self._gate,
            hub=self._hub,
            vitals=self._vitals,
            branch=branch,
            life=self._life,
            generation=lambda: self._generation,
            let_in=self._let_in,
            take_over=self._take_over_and_tell,
            record=self._record,
        )
        self._departure = Departure(
            line=home.line,
            orders=self._orders,
            succession=self._succession,
            reloader=self._reloader,
            server=self._server,
            gate=self._gate,
            hub=self._hub,
            vitals=self._vitals,
            generation=lambda: self._generation,
            record=self._record,
            outlived=home.environ.get(contract.MARKER_VARIABLE) == "systemd",  # in its descriptor store
        )
        self._event_streams: Slots

    # ---------------------------------------------------------------- start

    async def start(self) -> None:
        """Storage is open; bring up the rest, and say `ready`."""
        home, go, boot_id = self._home, self._home.go, self._home.inheritance.boot_id
        cause = await record_boot(go, boot_id, self._storage)
        await self._branch.start("orders", receive_orders, home.line, self._orders.give)
        await self._branch.start("events", self._hub.run)
        generation = await start_generation(self._branch, 1, home.resolved, self._life, home.keys)
        if go.since is not None:
            cause = evolve(cause, duration_ms=round((time.monotonic() - go.since) * 1000))
        await record_restart(self._storage, evolve(cause, at=utc_now()))
        self._meters.restart(cause.kind.value)
        await self._take_over(generation)
        await self._branch.start("room", self._room.watch)
        await self._branch.start("tls", self._tls.watch)
        watch = partial(watch_addresses, home.places, home.environ, home.problems, self._orders.give)
        await self._branch.start("addresses", watch, self._reloader.decides_where)
        serve = partial(self._server.run, home.places.serving, retired=home.places.retired)
        await self._branch.start("server", serve)
        home.line.say(contract.LISTENING)
        await self._branch.start("alive", self._say_alive)
        await self._say_ready()
        if home.inheritance.heirloom_fd is not None:
            await self._branch.start("heirloom", receive_connections, home.inheritance.heirloom_fd, self._server.adopt)
        await self._generation.begin_phase_2()
        await self._branch.start("config watcher", self._reloader.run)
        if home.flags.watch:
            await self._branch.start("source watcher", watch_sources, self._orders.give)
        if home.inheritance.heirloom_fd is not None:
            self._reloader.catch_up()
        log.info("The gateway is ready.", addresses=self._vitals.identity.addresses, version=xopc.__version__)

    async def _say_ready(self) -> None:
        """A generation serves: its configuration is the one to come back to, and kept before anybody hears of it."""
        resolved = self._generation.resolved
        settings = resolved.settings.gateway
        self._watch.seconds = settings.watchdog_seconds
        self._home.problems.reporter(problems.CONFIGURATION)(resolved.refusal)
        if resolved.refusal is None and (warning := await trio.to_thread.run_sync(keep_accepted, resolved)):
            log.warn(warning)
        copy = () if resolved.refusal is None else (contract.ACCEPTED,)
        self._home.line.say(contract.READY, settings.watchdog_seconds, int(settings.standby), *copy)

    async def _say_alive(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Tell the supervisor, and the watch in this process, that the event loop turns."""
        task_status.started()
        while True:
            self._watch.beat()
            self._home.line.say(contract.ALIVE)
            due = trio.current_time() + TICK_SECONDS
            await trio.sleep_until(due)
            self._meters.lag(trio.current_time() - due)

    async def _take_over(self, generation: Generation) -> None:
        """Let requests through to a new generation. Its restart is recorded already: whoever sees it may ask why."""
        await self._tls.apply(generation.resolved)
        self._generation = self._vitals.generation = generation
        self._vitals.status = HealthStatus.HEALTHY
        self._event_streams = Slots(generation.resolved.settings.gateway.max_sse_connections)
        self._put_in_force()
        self._reloader.tell_what_waits()

    async def _take_over_and_tell(self, generation: Generation) -> None:
        await self._take_over(generation)
        await self._say_ready()

    async def _go_on(self, before: Resolved) -> None:
        """The running generation has another configuration."""
        resolved = self._generation.resolved
        if resolved.tls != before.tls:  # else the certificate may be a newer one than the configuration came with
            await self._tls.apply(resolved)
        self._put_in_force(before.warnings)
        await self._say_ready()

    def _put_in_force(self, known: tuple[str, ...] = ()) -> None:
        """Take over what the generation's configuration says of what lives longer: with a new generation, and when a
        reload has changed the configuration of the running one. Warnings that are `known` are not logged again."""
        resolved = self._generation.resolved
        self._home.known.know(secrets_held(resolved) | set(self._generation.keys.found.values()))
        for warning in resolved.warnings:
            if warning not in known:
                log.warn(warning)
        self._life.audit.tell(resolved.audit)
        self._event_streams.most = resolved.settings.gateway.max_sse_connections
        self._door.use(self._policy(resolved))
        self._let_in()

    def _let_in(self) -> None:
        # Requests that are inside keep the services that they have, which are the same parts.
        self._gate.open(self._offer.of(self._generation, self._event_streams))

    def _policy(self, resolved: Resolved) -> Policy:
        return Policy.of(resolved, self._vitals.identity.port)

    async def _record(self, kind: RestartKind, reason: str, number: int, duration_ms: int | None = None) -> None:
        boot_id = self._vitals.identity.boot_id
        self._meters.restart(kind.value)
        await record_restart(self._storage, RestartRecord(kind, reason, boot_id, number, utc_now(), duration_ms))

    # --------------------------------------------------------------- orders

    async def follow_orders(self) -> Outcome:
        """Restart as often as told; return when the process has to end."""
        while True:
            match order := await self._orders.take():
                case Stop():
                    return await self._departure.stop(order)
                case HandOver():
                    return await self._departure.hand_over(order)
                case Declined(why):
                    self._succession.decline(why)
                case Restart():
                    if not await self._follow(order):
                        return await self._departure.leave(order)

    async def _follow(self, order: Restart) -> bool:
        """Restart as told, if that is allowed; False when only a new process helps."""
        if order.mode == contract.RELOAD:
            self._reloader.begin(order.reason)
            return True
        if not order.is_due and not self._generation.resolved.settings.commands.restart:
            log.warn("SIGUSR1 restart ignored (commands.restart=false or unauthorized).", reason=order.reason)
            return True
        if self._succession.is_awaited:
            self._succession.leave_to_it(order)
            return True
        if order.mode == contract.RESPAWN:
            self._succession.wish(order)
            return True
        async with self._reloader.paused():
            return await self._renewal.renew(order)
