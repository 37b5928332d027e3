"""Jobs over the real storage, in time that does not pass: a scheduler with its sessions, and an agent by a script."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial

import trio
from attrs import define, evolve, field

from tests.fakes.path_storage import InlinePath, stored_now
from xopc.contracts.cron import (
    DeliveryMode,
    Job,
    JobDelivery,
    JobRun,
    Payload,
    PayloadKind,
    Schedule,
    ScheduleKind,
    SessionTarget,
    StoredJob,
)
from xopc.contracts.events import AgentEvent, Progress
from xopc.contracts.messages import OutboxState, PeerKind
from xopc.contracts.settings.cron import CronSettings
from xopc.contracts.transcript import Message, Role, RunState
from xopc.core.cron.placing import place
from xopc.core.cron.scheduler import Scheduler
from xopc.core.hub import Hub
from xopc.core.router import Routing, route
from xopc.core.sessions.runs import Runs
from xopc.core.sessions.sessions import Sessions
from xopc.storage.path.base import Turn, TurnEnd
from xopc.storage.path.outbox import OutboxQuery

PLACED = partial(
    place,
    accounts=lambda channel: ("default",) if channel == "telegram" else (),
    kind=lambda _channel, chat: PeerKind.GROUP if chat.startswith("-") else PeerKind.DM,
    route=partial(route, routing=Routing("main")),
)
CHAT = JobDelivery(DeliveryMode.ANNOUNCE, "telegram", "7")
EVERY_MINUTE = Schedule(ScheduleKind.EVERY, every_ms=60_000)


def asked(text: str = "Hello", schedule: Schedule = EVERY_MINUTE, **more: object) -> Job:
    """A job that asks the agent in a session of its own."""
    job = Job(
        id="a5ced001",
        schedule=schedule,
        payload=Payload(PayloadKind.AGENT_TURN, text),
        created_at=stored_now(),
        updated_at=stored_now(),
        session_target=SessionTarget.ISOLATED,
        delivery=CHAT,
    )
    return evolve(job, **more)


def direct(text: str = "Hello", schedule: Schedule = EVERY_MINUTE, **more: object) -> Job:
    """A job that sends a text as it is."""
    job = asked(
        text,
        schedule,
        payload=Payload(PayloadKind.SYSTEM_EVENT, text),
        session_target=SessionTarget.MAIN,
        delivery=evolve(CHAT, mode=DeliveryMode.DIRECT),
    )
    return evolve(job, **{"id": "d1ec7001", **more})


@define(eq=False)
class Agent:
    """Works for as long as it is told, and fails at what begins with `fail`."""

    seconds: float = 1.0
    fails: int = 1_000_000
    """So often; then it does what it could not."""
    asked: list[str] = field(factory=list[str])
    at: list[float] = field(factory=list[float])
    """When it was, of trio's clock."""
    most: int = 0
    """So many turns ran at once."""
    _running: int = 0

    async def run_turn(self, turn: Turn, emit: Callable[[AgentEvent], None]) -> TurnEnd:
        self.asked.append(turn.inbound.text)
        self.at.append(trio.current_time())
        self._running += 1
        self.most = max(self.most, self._running)
        emit(Progress("thinking", "Thinking"))
        try:
            await trio.sleep(self.seconds)
        finally:
            self._running -= 1
        text = turn.inbound.text
        if text.startswith("fail") and self.fails:
            self.fails -= 1
            return TurnEnd(RunState.FAILED, None, error="The model is gone.")
        reply = "NO_REPLY" if text == "quiet" else f"{text}!"
        return TurnEnd(RunState.DONE, Message(Role.ASSISTANT, reply), model="fake/model")


@define(eq=False)
class Office:
    """One life of the scheduler, running."""

    storage: InlinePath
    scheduler: Scheduler
    sessions: Sessions
    hub: Hub
    agent: Agent
    woken: list[None]
    """How often the heart was told to look."""

    async def history(self, job_id: str) -> list[JobRun]:
        """The runs of a job, the oldest first."""
        return (await self.storage.job_runs(job_id, 500))[::-1]

    async def ways(self, job_id: str) -> list[str]:
        """How the runs of a job stand."""
        return [run.status.value for run in await self.history(job_id)]

    async def job(self, job_id: str) -> StoredJob:
        stored = await self.storage.job(job_id)
        assert stored is not None
        return stored

    async def wakes(self) -> list[str]:
        """Why the heart is to look."""
        return [wake.reason for wake in await self.storage.wakes()]

    async def sent(self) -> list[str]:
        """The texts that are to be sent, in order."""
        page = await self.storage.outbox(OutboxQuery((OutboxState.PENDING,), 1000))
        return [row.outbound.text for row in page.rows][::-1]


@asynccontextmanager
async def open_office(
    storage: InlinePath,
    agent: Agent | None = None,
    settings: CronSettings = CronSettings(),  # noqa: B008  a frozen value
    clock: Callable[[], float] = stored_now,
) -> AsyncGenerator[Office]:
    """A scheduler at work, for as long as the block runs; then it is cut off."""
    agent = agent or Agent()
    hub, runs, woken = Hub("b00t"), Runs(), list[None]()
    sessions = Sessions(storage, agent.run_turn, runs, hub, lambda _: None, "b00t")
    scheduler = Scheduler(
        storage, PLACED, sessions, runs, lambda _: None, hub, settings, wake=lambda: woken.append(None), clock=clock
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(sessions.run)
        await nursery.start(scheduler.run)
        yield Office(storage, scheduler, sessions, hub, agent, woken)
        nursery.cancel_scope.cancel()
