"""The lanes that have a task: a bounded number of them, however many there are in the storage.

While all lanes fit, each has a task from its first message to its last one, also while it waits. When there are more,
one task walks through the storage in rounds, and gives a task to each lane that has something to do; lanes that wait
give theirs back, and so do those that have had their share. So nobody's turn comes later than in the next round.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable

import trio
from attrs import define, field

from xopc.core.stored import until_stored
from xopc.storage.path.outbox import LaneHead, OutboxStorage, account_of

MAX_LANES = 500
"""Tasks at once."""
SHARE = 20
"""Messages that a lane may send while others wait for a task."""
READ_AT_ONCE = 100
"""Lanes, in one look into the storage."""
LOOK_SECONDS = 5.0
"""Between two rounds, at least, where nothing but time has passed."""


@define(eq=False)
class Lane:
    """A lane that has a task."""

    name: str
    woken: trio.Event = field(factory=trio.Event)
    has_grown: bool = False
    """There is something new at its end."""
    gives_way: bool = False
    """Others need its task more."""
    _planned: tuple[str, float] = ("", 0.0)
    """The message that `due` is of, and the time that is stored with it."""
    _due: float = 0.0
    """Of trio's clock."""
    _is_asked: bool = False
    """The platform asked for the pause."""
    idle_until: float | None = None
    """While it waits; of trio's clock."""

    @property
    def account(self) -> tuple[str, str]:
        """Its channel and its account."""
        return account_of(self.name)

    def plan(self, row_id: str, next_attempt_at: float, pause: float, *, is_asked: bool = False) -> None:
        """Its next attempt comes after so many seconds, which are counted from now."""
        self._planned = (row_id, next_attempt_at)
        self._due = trio.current_time() + pause
        self._is_asked = is_asked

    def knows(self, row_id: str, next_attempt_at: float) -> bool:
        """Whether that is planned already."""
        return self._planned == (row_id, next_attempt_at)

    def pause(self) -> float:
        """Seconds until its next attempt; 0 or less: now."""
        return self._due - trio.current_time()

    def hurry(self) -> None:
        """What its message waits for may have come: try now, unless the platform asked for the pause."""
        if not self._is_asked:
            self._due = 0.0
        self.woken.set()


class Lanes:
    """Gives tasks to lanes."""

    def __init__(
        self,
        storage: OutboxStorage,
        serve: Callable[[Lane], Awaitable[None]],
        pause_before: Callable[[LaneHead], float],
        jitter: Callable[[], float],
    ) -> None:
        """
        Args:
            serve: the task of a lane; it ends when there is nothing left, or when the lane gives way.
            pause_before: seconds until a lane has something to do.
            jitter: as for `until_stored`.
        """
        self._storage = storage
        self._serve = serve
        self._pause_before = pause_before
        self._jitter = jitter
        self._lanes: dict[str, Lane] = {}
        self._nursery: trio.Nursery | None = None
        self._ended = trio.lowlevel.ParkingLot()
        self._missed = trio.Event()
        """There may be lanes without a task that have something to do."""
        self._is_crowded = False
        """Some lanes have no task."""
        self._is_short = False
        """One of them has something to do, and waits for a task."""
        self._is_stopped = False
        self._soonest = math.inf
        """When the first of the lanes that were passed over has something to do; of trio's clock."""

    async def run(self) -> None:
        """Give tasks to the lanes that there are, and to those that are woken, until cancelled."""
        async with trio.open_nursery() as self._nursery:
            while True:
                self._missed = trio.Event()
                self._soonest = math.inf
                await self._round()
                if self._soonest < math.inf:
                    pause = max(self._soonest - trio.current_time(), LOOK_SECONDS)
                    with trio.move_on_after(pause):
                        await self._missed.wait()
                else:
                    await self._missed.wait()

    def wake(self, names: Iterable[str]) -> None:
        """What these lanes begin with may be another message. Before `run` nothing happens: it takes what there is."""
        for name in names:
            if lane := self._lanes.get(name):
                lane.woken.set()
            else:
                self._give_task(name)

    def grow(self, names: Iterable[str]) -> None:
        """There is something new at the end of these lanes: what their first messages wait for has not come with it."""
        for name in names:
            if lane := self._lanes.get(name):
                lane.has_grown = True
            else:
                self._give_task(name)

    def hurry(self, channel: str, account: str | None) -> None:
        """What the messages of a channel, or of one of its accounts, wait for may have come."""
        for lane in self._lanes.values():
            if lane.account == (channel, account or lane.account[1]):
                lane.hurry()
        self._missed.set()

    def stop(self) -> None:
        """Give no more tasks, and wake the lanes that have one, to let them see that they are to end."""
        self._is_stopped = True
        for lane in self._lanes.values():
            lane.woken.set()

    async def wait(self, lane: Lane, seconds: float) -> None:
        """Until a lane is woken, or the time is over. Where others need its task, it gives way instead."""
        lane.idle_until = trio.current_time() + seconds
        if self._is_short:
            self._take_from(lane, lane.idle_until)
            return
        with trio.move_on_after(seconds):
            await lane.woken.wait()
        lane.idle_until = None

    def has_had_its_share(self, served: int) -> bool:
        """Whether a lane that has sent so many messages is to give way."""
        return self._is_crowded and served >= SHARE

    def _give_task(self, name: str) -> None:
        if not self._is_crowded and len(self._lanes) < MAX_LANES:
            self._start(name)
        else:
            self._missed.set()

    def _start(self, name: str) -> None:
        if self._nursery is not None and not self._is_stopped:
            self._lanes[name] = lane = Lane(name)
            self._nursery.start_soon(self._run, lane, name="lane " + name.replace("\x1f", ":"))

    async def _run(self, lane: Lane) -> None:
        await self._serve(lane)
        del self._lanes[lane.name]
        if lane.gives_way:
            self._missed.set()
        self._ended.unpark_all()

    async def _round(self) -> None:
        """Give each lane that has something to do a task; the others too, as long as there is room."""
        after = ""
        while heads := await until_stored(self._jitter, self._storage.outbox_lanes, after, READ_AT_ONCE):
            for head in heads:
                await self._take_up(head)
            after = heads[-1].lane
        self._is_crowded = False

    async def _take_up(self, head: LaneHead) -> None:
        while len(self._lanes) >= MAX_LANES and head.lane not in self._lanes:
            if pause := self._pause_before(head):
                self._soonest = min(self._soonest, trio.current_time() + pause)
                return
            self._is_crowded = self._is_short = True
            self._make_room()
            await self._ended.park()
            self._is_short = False
        if head.lane not in self._lanes:
            self._start(head.lane)

    def _make_room(self) -> None:
        for lane in self._lanes.values():
            if lane.idle_until is not None:
                self._take_from(lane, lane.idle_until)

    def _take_from(self, lane: Lane, idle_until: float) -> None:
        """Let a lane that waits go on without a task."""
        lane.gives_way = True
        lane.woken.set()
        self._soonest = min(self._soonest, idle_until)
