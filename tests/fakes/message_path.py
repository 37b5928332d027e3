"""The message path with everything real but its two ends: the agent follows a script, the channel remembers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import trio
from attrs import define, field

from xopc.channels.base import AccountStatus, Channel, Context, default_account
from xopc.channels.webchat import Webchat
from xopc.contracts.events import AgentEvent, MessageEnd, Progress, Token, ToolStart
from xopc.contracts.keys import SessionKey
from xopc.contracts.messages import Address, Delivery, Failed, Inbound, Outbound, OutboxState, PeerKind, Sent
from xopc.contracts.settings.file import Settings
from xopc.contracts.transcript import Message, Role, RunState, Usage
from xopc.core.cron.placing import place
from xopc.core.cron.scheduler import Scheduler
from xopc.core.heartbeat.heart import Body, Heartbeat
from xopc.core.hub import Hub
from xopc.core.inbox import Inbox
from xopc.core.outbox.outbox import Outbox
from xopc.core.router import Routing, main_session, route
from xopc.core.sessions.parking import parked_untold
from xopc.core.sessions.runs import Runs
from xopc.core.sessions.sessions import Sessions
from xopc.core.sessions.upkeep import Upkeep
from xopc.server.api.targets import peer_kind
from xopc.storage.path.base import Acceptance, Turn, TurnEnd
from xopc.storage.sqlite import SqliteStorage, open_storage

BOOT = "b00t"
NOWHERE = Address("pigeons", "default", "nowhere")


@define(eq=False)
class Script:
    """An agent whose answers follow from what it is told.

    `wait` waits for `go`; `fail` and `slow` fail; `crash` breaks in a way that nobody has thought of, unless the script
    `is_sound`; `quiet` says nothing; `odd` starts a tool with what JSON cannot carry; anything else is repeated, with
    the number of messages that it remembers.
    """

    turns: list[Turn] = field(factory=list[Turn])
    """Those that were begun."""
    begun: trio.Event = field(factory=trio.Event)
    """Set when one is."""
    go: trio.Event = field(factory=trio.Event)
    is_sound: bool = False
    storage: SqliteStorage = field(init=False)

    async def run_turn(self, turn: Turn, emit: Callable[[AgentEvent], None]) -> TurnEnd:
        self.turns.append(turn)
        self.begun.set()
        text = turn.inbound.text
        emit(Progress("thinking", "Thinking"))
        match text:
            case "wait":
                emit(Token("Wait"))
                await self.go.wait()
                return self._end(turn, "Waited", emit)
            case "crash":
                if not self.is_sound:
                    raise ZeroDivisionError
                return self._end(turn, "Crashed", emit)
            case "fail":
                return TurnEnd(RunState.FAILED, None, error="The model is gone.")
            case "slow":
                return TurnEnd(RunState.FAILED, None, error="It took too long.", timed_out=True)
            case "quiet":
                return self._end(turn, "NO_REPLY", emit, deliver=False)
            case "odd":
                emit(ToolStart("c1", "odd", {"args": {1, 2}}))
                return self._end(turn, "Odd", emit)
            case _:
                remembered = await self.storage.history(turn.session_key, 100)
                return self._end(turn, f"{text} ({len(remembered)})", emit)

    def _end(self, turn: Turn, reply: str, emit: Callable[[AgentEvent], None], *, deliver: bool = True) -> TurnEnd:
        for token in reply.partition(" "):
            if token:
                emit(Token(token))
        emit(MessageEnd())
        outbox = (Outbound(turn.inbound.address, reply),) if turn.deliver and deliver else ()
        model = turn.model or "fake/model"
        return TurnEnd(RunState.DONE, Message(Role.ASSISTANT, reply), outbox, model=model, usage=Usage(3, 2))


class Pigeons(Webchat):
    """A channel with two accounts that remembers what it sent, and to chat `nowhere` sends nothing."""

    id = "pigeons"
    is_idempotent = False

    def __init__(self) -> None:
        self.sent: list[Outbound] = []
        self.busy: Delivery | None = None
        """How sends end, if not well."""
        self.arrived = trio.Event()

    def accounts(self) -> tuple[str, ...]:
        return ("default", "work")

    async def init(self, context: Context) -> None:
        """Nothing to prepare."""

    async def send(self, outbound: Outbound, text: str, *, part: int) -> Delivery:
        if outbound.address.chat == "nowhere":
            return Failed("there is no such chat")
        if self.busy is not None:
            return self.busy
        self.sent.append(outbound)
        self.arrived.set()
        return Sent(f"{outbound.address.chat}/{len(self.sent)}")

    def status(self) -> tuple[AccountStatus, ...]:
        return tuple(AccountStatus(account, enabled=True, connected=True) for account in self.accounts())


@define(eq=False)
class MessagePath:
    """All parts, running."""

    storage: SqliteStorage
    hub: Hub
    runs: Runs
    outbox: Outbox
    sessions: Sessions
    heartbeat: Heartbeat
    inbox: Inbox
    cron: Scheduler
    script: Script
    pigeons: Pigeons
    channels: Mapping[str, Channel]
    settings: Settings
    upkeep: Upkeep
    route: Callable[[Inbound], SessionKey]
    end: Callable[[], None]
    """Cancel what runs, as the end of a generation does."""

    async def dead_letter(self) -> str:
        """The id of a new one."""
        message_id, _ = await self.outbox.enqueue(Outbound(NOWHERE, "Is anybody there?"))
        await self.until(message_id, OutboxState.DEAD)
        return message_id

    async def parked(self) -> str:
        """The run id of a message that was given up."""
        run_id = str(uuid4())
        inbound = Inbound(NOWHERE, PeerKind.DM, "1", "Is anybody there?", f"test:{run_id}")
        await self.storage.accept([Acceptance(inbound, str(self.route(inbound)), run_id, deliver=False)])
        await self.storage.finish(run_id, parked_untold(run_id, "Nobody is."))
        return run_id

    async def until_tried(self, message_id: str) -> None:
        """Wait until something went wrong with a message."""
        with trio.fail_after(5):
            while (row := await self.storage.outbox_row(message_id)) is None or row.last_error is None:
                await trio.lowlevel.checkpoint()

    async def until(self, message_id: str, state: OutboxState) -> None:
        """Wait until a message of the outbox is in this state."""
        with trio.fail_after(5):
            async with self.hub.subscribe(types=("message.sent", "message.failed")) as changes:
                while (row := await self.storage.outbox_row(message_id)) is None or row.state is not state:
                    await changes.receive()


@asynccontextmanager
async def open_message_path(database: Path, settings: Settings | None = None) -> AsyncGenerator[MessagePath]:
    """All parts, over a database of their own, for as long as the block runs."""
    settings = settings or Settings()
    script, pigeons, hub, runs = Script(), Pigeons(), Hub(BOOT), Runs()
    channels: dict[str, Channel] = {"webchat": Webchat(), "pigeons": pigeons}
    routing = Routing.of(settings)
    async with open_storage(database) as storage:
        script.storage = storage
        outbox = Outbox(storage, channels, hub)
        sessions = Sessions(storage, script.run_turn, runs, hub, outbox.wake, BOOT)
        inbox = Inbox(storage, partial(route, routing=routing), sessions)
        body = Body(
            settings=lambda: settings.gateway.heartbeat,
            workspace=lambda: database.parent / "workspace",
            has_model=lambda: True,
            main_session=lambda: str(main_session(routing)),
            route=partial(route, routing=routing),
            account=lambda channel: default_account(channels.get(channel)),
            accounts=lambda channel: channels[channel].accounts() if channel in channels else (),
        )
        heartbeat = Heartbeat(storage, sessions, body)
        upkeep = Upkeep(storage, hub, lambda: settings.session.storage)
        placed = partial(
            place,
            accounts=lambda channel: channels[channel].accounts() if channel in channels else (),
            kind=lambda channel, chat: peer_kind(channel, chat, channels),
            route=partial(route, routing=routing),
        )
        cron = Scheduler(storage, placed, sessions, runs, outbox.wake, hub, settings.cron)
        generation = trio.CancelScope()

        async def live(*, task_status: trio.TaskStatus[None]) -> None:
            with generation:
                async with trio.open_nursery() as parts:
                    await parts.start(sessions.run)
                    await parts.start(heartbeat.run)
                    await parts.start(outbox.run)
                    await parts.start(upkeep.run)
                    await parts.start(cron.run)
                    task_status.started()

        async with trio.open_nursery() as nursery:
            await nursery.start(live)
            yield MessagePath(
                end=generation.cancel,
                storage=storage,
                hub=hub,
                runs=runs,
                outbox=outbox,
                sessions=sessions,
                heartbeat=heartbeat,
                inbox=inbox,
                cron=cron,
                script=script,
                pigeons=pigeons,
                channels=channels,
                settings=settings,
                upkeep=upkeep,
                route=partial(route, routing=routing),
            )
            generation.cancel()
