"""A generation: all that depends on the configuration. An in-process restart replaces it whole; a reload, what it can.

generation
├─ channels               the accounts, each a task that is started again alone
├─ sessions               a worker for each session that has something to answer
├─ heartbeat              asks the agent now and then to look whether something needs attention
├─ upkeep                 notes when sessions were opened, and prunes them
├─ scheduler              begins the runs of jobs when they are due
└─ outbox                 a lane for each address that has something to send
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import structlog
import trio
from attrs import field, frozen

from xopc.agent.agent import Agent, Emit
from xopc.agent.models import UnknownModelError
from xopc.agent.shift import Shifts, open_shifts
from xopc.channels.accounts import Accounts
from xopc.channels.base import Channel, Context, default_account
from xopc.channels.registry import make_channels
from xopc.config.plan import Plan
from xopc.config.resolve import Resolved
from xopc.config.secrets.references import NO_SECRETS, Secrets
from xopc.contracts.keys import SessionKey
from xopc.contracts.messages import Inbound, PeerKind
from xopc.core.cron.placing import place
from xopc.core.cron.scheduler import Scheduler
from xopc.core.heartbeat.heart import Body, Heartbeat
from xopc.core.heartbeat.rules import judged
from xopc.core.hub import Hub
from xopc.core.inbox import Inbox
from xopc.core.outbox.outbox import Outbox
from xopc.core.router import Routing, main_session, route
from xopc.core.sessions.runs import Runs
from xopc.core.sessions.sessions import Sessions
from xopc.core.sessions.upkeep import Upkeep
from xopc.core.tasks import Branch, Node, open_branch, utc_now
from xopc.gateway.audit import AuditLog
from xopc.gateway.connecting import Connecting
from xopc.server.api.targets import peer_kind
from xopc.storage.path.base import Cursor, Turn, TurnEnd
from xopc.storage.path.cron import WholeStorage

PHASE_1_SECONDS = 5
"""For a channel to connect before the gateway listens."""
TURN_SECONDS = 4.0
"""Of a drain: turns may finish. One second is left to close their streams."""

log = structlog.get_logger("xopc.gateway")


@frozen
class Life:
    """What outlives a generation, as far as its parts need it."""

    storage: WholeStorage
    runs: Runs
    hub: Hub
    boot_id: str
    environ: Mapping[str, str]
    audit: AuditLog = field(factory=AuditLog)


class Generation:
    """One running generation. Made by `start_generation`."""

    def __init__(
        self,
        number: int,
        resolved: Resolved,
        life: Life,
        keys: Secrets = NO_SECRETS,
        *,
        connect_seconds: float = PHASE_1_SECONDS,
    ) -> None:
        """`number` is 1 for the first of a process. No program is asked for one of `keys`, which are those that
        `models.json` refers to. Channels of phase 1 have `connect_seconds`, and then go on in the background."""
        self.number = number
        self.resolved = resolved
        """In force; a reload changes it."""
        self.started_with = resolved
        """What takes a restart to change is as it is here."""
        self.started = trio.current_time()
        """Of trio's clock, seconds."""
        self.started_at = utc_now()
        self.routing = Routing.of(resolved.settings)
        self.channels: dict[str, Channel] = {channel.id: channel for channel in make_channels(resolved.settings)}
        self.outbox = Outbox(life.storage, self.channels, life.hub, ttl_seconds=self._ttl_seconds)
        self.accounts = Accounts(
            tuple(self.channels.values()),
            Context(self._accept, life.storage.cursor, self.outbox.refresh),
        )
        self.upkeep = Upkeep(life.storage, life.hub, lambda: self.resolved.settings.session.storage)
        self.sessions: Sessions
        self.inbox: Inbox
        self.heartbeat: Heartbeat
        self.scheduler: Scheduler
        self.node = Node("generation", restarts=number - 1)
        self._life = life
        self._known = keys
        self._connect_seconds = connect_seconds
        self._shifts: Shifts
        self._parts: Branch
        self._connections: Branch
        self._connecting: Connecting
        self._scope = trio.CancelScope()
        self._turns = trio.CancelScope()
        self._ended = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Start the parts, report started when the first phase is done, and live until ended."""
        resolved, life, known = self.resolved, self._life, self._known
        try:
            with self._scope:
                async with (
                    open_shifts(resolved.settings, resolved.paths, life.environ, life.storage, known) as self._shifts,
                    open_branch(self.node) as self._parts,
                ):
                    async with open_branch(self.node.add("channels")) as self._connections:
                        await self._begin()
                        task_status.started()
                        await trio.sleep_forever()
                    await trio.sleep_forever()
        finally:
            await self.accounts.close()
            self._ended.set()

    @property
    def agents(self) -> tuple[Agent, ...]:
        """Those that have turns, and at last the one that new turns have."""
        return self._shifts.agents

    def route(self, inbound: Inbound) -> SessionKey:
        """The session that a message from a channel belongs to."""
        return route(inbound, self.routing)

    def why_no_model(self, ref: str) -> str | None:
        """Why no model answers to a reference, in a sentence; None where one does."""
        try:
            self.agents[-1].models.find(ref)
        except UnknownModelError as error:
            return str(error)
        return None

    async def _begin(self) -> None:
        """Phase 1: everything but the channels that connect late."""
        life = self._life
        self.sessions = Sessions(life.storage, self._run_turn, life.runs, life.hub, self.outbox.wake, life.boot_id)
        self.inbox = Inbox(life.storage, self.route, self.sessions)
        self.heartbeat = Heartbeat(life.storage, self.sessions, self._body())
        placed = partial(place, accounts=self._accounts_of, kind=self._kind_of, route=self.route)
        self.scheduler = Scheduler(
            life.storage,
            placed,
            self.sessions,
            life.runs,
            self.outbox.wake,
            life.hub,
            self.resolved.settings.cron,
            wake=self.heartbeat.look,
        )
        for warning in self.routing.warnings:
            log.warn(warning)
        self._connecting = Connecting(self.accounts, self.channels, self.resolved.settings.gateway, self._connections)
        await self._connecting.begin(self._connect_seconds)
        await self._parts.start("sessions", self._run_sessions)
        await self._parts.start("heartbeat", self.heartbeat.run)
        await self._parts.start("upkeep", self.upkeep.run)
        await self._parts.start("scheduler", self.scheduler.run)
        await self._connecting.end_phase_1(self._begin_sending)

    async def begin_phase_2(self) -> None:
        """Once the gateway listens, connect in the background what connects late."""
        await self._parts.start("connecting", self._connect_deferred)

    async def _connect_deferred(self, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        if await self._connecting.phase_2(self._begin_sending):
            self._life.hub.publish("channels.status", {"channels": self.channel_status()})

    async def _begin_sending(self) -> None:
        await self._parts.start("outbox", self.outbox.run)

    def channel_status(self) -> list[dict[str, object]]:
        """Each channel: its name, whether it is on, and whether all of its accounts are connected."""
        return [
            {
                "name": channel.id,
                "enabled": any(account.enabled for account in channel.accounts),
                "connected": channel.error is None
                and all(account.connected for account in channel.accounts if account.enabled),
            }
            for channel in self.accounts.status()
        ]

    def is_degraded(self) -> bool:
        """Whether something that should run does not."""
        return any(
            channel.error is not None or any(account.enabled and account.error for account in channel.accounts)
            for channel in self.accounts.status()
        )

    # --------------------------------------------------------------- reload

    @property
    def keys(self) -> Secrets:
        """What `models.json` refers to."""
        agents = self.agents
        return agents[-1].models.secrets if agents else NO_SECRETS

    async def look_up_keys(self, resolved: Resolved, *, anew: bool) -> Secrets:
        """What `models.json` refers to now; with `anew`, programs are asked again."""
        return await self._shifts.look_up_keys(resolved.settings, anew=anew)

    async def change(
        self, resolved: Resolved, plan: Plan, *, read_again: bool = False, keys: Secrets = NO_SECRETS
    ) -> None:
        """Go on with another configuration, as far as the plan is hot; turns, sends and requests go on as they are.

        With `read_again`, what stands in other files, as `models.json` does, is read again in any case. `keys` is what
        it refers to, so that no program is asked twice.

        Raises:
            Exception: it cannot be applied, and the one before stays in force.
        """
        if plan.takes_agent or read_again:
            await self._shifts.change(resolved.settings, keys)
        if read_again:
            self._tell_models()
        self.resolved = resolved
        self.routing = Routing.of(resolved.settings)
        for warning in self.routing.warnings:
            log.warn(warning)
        self.heartbeat.look()
        self.scheduler.use(resolved.settings.cron)

    def _tell_models(self) -> None:
        models = self._shifts.agents[-1].models
        data: dict[str, object] = {"modelCount": len(models.listed())}
        if models.error is not None:
            data["error"] = models.error
        self._life.hub.publish("models-json.reloaded", data)

    async def change_channels(self, plan: Plan) -> None:
        """Start the channels anew whose settings the plan changes; the others go on.

        What is being sent is ended with the channel of before, which is closed then.
        """
        changed = [channel for channel in make_channels(self.resolved.settings) if channel.id in plan.channels]
        for channel in changed:
            before = await self.accounts.replace(self._connections, channel)
            self.channels[channel.id] = channel
            self.outbox.refresh(channel.id)
            await self._parts.start(f"the {channel.id} of before", self._retire, before)
        if changed:
            self._life.hub.publish("channels.status", {"channels": self.channel_status()})

    async def _retire(self, channel: Channel, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await self.outbox.finish_with(channel)
        await self.accounts.retire(channel)

    # ------------------------------------------------------------------ end

    async def drain(self) -> None:
        """Take nothing more in, and let what is under way finish: turns for `TURN_SECONDS`, then they keep their
        steps for the next generation, and sends for as long as the caller gives."""
        self._connecting.stop()
        self.scheduler.drain()
        with trio.move_on_after(TURN_SECONDS):
            await self.sessions.drain()
        self._turns.cancel()
        await self.outbox.drain()

    async def end(self) -> None:
        """Cancel all of it, and wait until it is gone."""
        self._scope.cancel()
        await self._ended.wait()

    # -------------------------------------------------------------- helpers

    async def _accept(self, inbounds: Sequence[Inbound], cursor: Cursor | None) -> None:
        await self.inbox.accept(inbounds, cursor)

    def _ttl_seconds(self) -> float:
        return self.resolved.settings.outbox.ttl_seconds

    async def _run_turn(self, turn: Turn, emit: Emit) -> TurnEnd:
        end = await self._shifts.run_turn(turn, emit)
        return judged(turn, end, self.resolved.settings.gateway.heartbeat.ack_max_chars)

    def _body(self) -> Body:
        """What the heart knows, as it is at each beat."""
        return Body(
            settings=lambda: self.resolved.settings.gateway.heartbeat,
            workspace=lambda: self.resolved.paths.workspace,
            has_model=lambda: self.agents[-1].has_model,
            main_session=lambda: str(main_session(self.routing)),
            route=self.route,
            account=lambda channel: default_account(self.channels.get(channel)),
            accounts=self._accounts_of,
        )

    def _accounts_of(self, channel: str) -> tuple[str, ...]:
        found = self.channels.get(channel)
        return found.accounts() if found else ()

    def _kind_of(self, channel: str, chat: str) -> PeerKind:
        return peer_kind(channel, chat, self.channels)

    async def _run_sessions(self, *, task_status: trio.TaskStatus[None]) -> None:
        with self._turns:
            await self.sessions.run(task_status=task_status)


async def start_generation(
    branch: Branch,
    number: int,
    resolved: Resolved,
    life: Life,
    keys: Secrets = NO_SECRETS,
    *,
    connect_seconds: float = PHASE_1_SECONDS,
) -> Generation:
    """Start a generation in `branch`, and return it when its first phase is done. See `Generation`."""
    generation = Generation(number, resolved, life, keys, connect_seconds=connect_seconds)
    await branch.start(generation.node, generation.run)
    return generation
