from __future__ import annotations

import sqlite3

import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.path_storage import InlinePath
from xopc.contracts.messages import Address, Inbound, PeerKind
from xopc.contracts.transcript import Message, Role, RunState
from xopc.core.hub import Hub
from xopc.core.sessions.runs import Runs
from xopc.core.sessions.sessions import MAX_TURNS, READ_AT_ONCE, Sessions
from xopc.core.sessions.takeup import MAX_TAKEN_UP, TakeUp
from xopc.storage.path.base import Acceptance, Turn, TurnEnd


def keys(count: int) -> list[str]:
    return [f"main:telegram:default:dm:{number}" for number in range(count)]


def test_only_so_many_sessions_are_taken_up_at_once_in_their_order() -> None:
    woken: list[str] = []
    takeup = TakeUp(woken.append)
    everyone = keys(MAX_TAKEN_UP + 3)
    takeup.begin(everyone)
    assert woken == everyone[:MAX_TAKEN_UP]
    takeup.rests(everyone[7])
    takeup.rests(everyone[3])
    assert woken == everyone[: MAX_TAKEN_UP + 2]


def test_a_session_that_rests_again_makes_room_only_once() -> None:
    woken: list[str] = []
    takeup = TakeUp(woken.append)
    everyone = keys(MAX_TAKEN_UP + 2)
    takeup.begin(everyone)
    takeup.rests("one that was not left behind")
    takeup.rests(everyone[0])
    takeup.rests(everyone[0])
    assert woken == everyone[: MAX_TAKEN_UP + 1]


class World:
    """The sessions of a process that finds work, and an agent that answers when it is told to."""

    def __init__(self, storage: InlinePath) -> None:
        self.storage = storage
        self.begun: list[str] = []
        self.go = trio.Event()
        runs, hub = Runs(), Hub("boot-1")
        self.sessions = Sessions(storage, self.answer, runs, hub, lambda _: None, "boot-1")

    async def answer(self, turn: Turn, _emit: object) -> TurnEnd:
        self.begun.append(turn.run_id)
        await self.go.wait()
        return TurnEnd(RunState.DONE, Message(Role.ASSISTANT, "Hello"))

    async def accept(self, number: int, run_id: str) -> str:
        """Store a message; the key of its session."""
        inbound = Inbound(Address("telegram", "default", str(number)), PeerKind.DM, str(number), "hi", f"test:{run_id}")
        key = f"main:telegram:default:dm:{number}"
        await self.storage.accept([Acceptance(inbound, key, run_id)])
        return key


def workers() -> int:
    root = trio.lowlevel.current_root_task()
    assert root is not None
    tasks, count = [root], 0
    while tasks:
        task = tasks.pop()
        count += task.name.startswith("session ")
        tasks += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return count


async def test_a_start_gives_workers_to_some_of_many_sessions_and_in_the_end_answers_all(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    count = MAX_TAKEN_UP * 2 + 10
    world = World(storage)
    for number in range(count):
        await world.accept(number, f"r{number}")
    async with trio.open_nursery() as nursery:
        await nursery.start(world.sessions.run)
        await wait_all_tasks_blocked()
        assert workers() == MAX_TAKEN_UP
        assert len(world.begun) == MAX_TURNS
        assert set(world.begun) <= {f"r{number}" for number in range(MAX_TAKEN_UP)}
        world.go.set()
        for number in range(count):
            assert (await world.sessions.wait(f"r{number}")).state is RunState.DONE
        nursery.cancel_scope.cancel()
    assert autojump_clock.current_time() < 1  # nobody waited until an idle worker ended
    assert sorted(world.begun) == sorted(f"r{number}" for number in range(count))


async def test_sessions_that_cannot_go_on_do_not_keep_others_from_being_taken_up(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    assert autojump_clock.current_time() == 0

    def spoil(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE inbox SET inbound = '{' WHERE id <= ?", (MAX_TAKEN_UP,))

    world = World(storage)
    for number in range(MAX_TAKEN_UP + 1):
        await world.accept(number, f"r{number}")
    await storage.disk.write(spoil)
    world.go.set()
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            await nursery.start(world.sessions.run)
            assert (await world.sessions.wait(f"r{MAX_TAKEN_UP}")).state is RunState.DONE
            nursery.cancel_scope.cancel()
    assert {log["event"] for log in logs if log["log_level"] != "info"} == {"A session cannot go on."}


async def test_a_full_disk_gives_no_further_sessions_a_worker(storage: InlinePath, autojump_clock: MockClock) -> None:
    assert autojump_clock.current_time() == 0
    world = World(storage)
    for number in range(MAX_TAKEN_UP * 2):
        await world.accept(number, f"r{number}")
    async with trio.open_nursery() as nursery:
        await nursery.start(world.sessions.run)
        storage.disk.full = True
        await trio.sleep(60)
        assert workers() == MAX_TAKEN_UP
        nursery.cancel_scope.cancel()


async def test_a_new_message_does_not_wait_for_all_that_was_left_behind(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    assert autojump_clock.current_time() == 0
    count = 4 * MAX_TAKEN_UP
    world = World(storage)
    for number in range(count):
        await world.accept(number, f"r{number}")
    async with trio.open_nursery() as nursery:
        await nursery.start(world.sessions.run)
        await wait_all_tasks_blocked()
        world.sessions.admit(await world.accept(count - 1, "newer"), "newer")
        await wait_all_tasks_blocked()
        world.go.set()
        await world.sessions.wait("newer")
        nursery.cancel_scope.cancel()
    assert world.begun.index(f"r{count - 1}") < world.begun.index("newer")
    assert world.begun.index("newer") < 3 * MAX_TAKEN_UP, "both of its session waited behind those taken up alone"


async def test_others_go_on_while_very_much_that_was_left_behind_is_read(storage: InlinePath) -> None:
    pages = 3
    world = World(storage)
    for number in range(pages * READ_AT_ONCE):
        await world.accept(7, f"r{number}")
    turns = 0

    async def go_on() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(go_on)
        await nursery.start(world.sessions.run)
        assert turns >= pages
        assert world.sessions.waiting("main:telegram:default:dm:7") == pages * READ_AT_ONCE
        nursery.cancel_scope.cancel()
