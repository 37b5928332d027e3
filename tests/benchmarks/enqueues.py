"""How fast messages are stored durably, on their way out and on their way in.

The baseline is one caller of the same event loop with a thread that commits for each call, on the same disk and with
the same transaction. Beside it stands a loop that does nothing else and knows no event loop: what SQLite can do with
one commit per message, and what no program that has anything else to do will reach.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import frozen

from tests.benchmarks.machine import new_home
from tests.benchmarks.measured import ratios, spread
from xopc.contracts.messages import Address, Inbound, Outbound, PeerKind
from xopc.storage.connect import connect_writer
from xopc.storage.ids import TimeOrderedIds
from xopc.storage.migrate import prepare
from xopc.storage.path.base import Acceptance
from xopc.storage.sqlite import SqliteStorage, open_storage
from xopc.storage.transactions import inbox, outbox

BODY = "x" * 300
"""Of a message: a few sentences."""
CALLERS = (1, 8, 64)


@frozen
class Way:
    """A kind of message, and two ways to store one of the caller of this number."""

    grouped: Callable[[SqliteStorage, int], Awaitable[object]]
    alone: Callable[[sqlite3.Connection, int], object]
    """The same transaction."""


def enqueues(*, quick: bool) -> dict[str, Any]:
    """Messages stored per second by so many callers at once, against one commit for each."""
    rounds, seconds = (5, 0.2) if quick else (25, 0.5)  # many and short: a busy machine is busy for both alike
    return {name: _compared(way, rounds, seconds) for name, way in WAYS.items()}


def _compared(way: Way, rounds: int, seconds: float) -> dict[str, Any]:
    threads: list[float] = []
    loops: list[float] = []
    rates: dict[int, list[float]] = {callers: [] for callers in CALLERS}
    costs: dict[int, list[float]] = {callers: [] for callers in CALLERS}
    for _ in range(rounds):
        threads.append(trio.run(_in_a_thread, way, seconds))
        loops.append(_in_a_loop(way, seconds))
        for callers in CALLERS:
            rate, cost = trio.run(_through_storage, way, callers, seconds)
            rates[callers].append(rate)
            costs[callers].append(cost * 1e6)
    return {
        "one_commit_per_call": {
            "in_a_thread_per_second": spread(threads, digits=0),
            "in_a_bare_loop_per_second": spread(loops, digits=0),
        },
        **{
            f"{callers}_callers": {
                "per_second": spread(rates[callers], digits=0),
                "ratio": spread(ratios(rates[callers], threads), goal=">= 8" if callers == max(CALLERS) else None),
                "ratio_to_bare_loop": spread(ratios(rates[callers], loops)),
                "cpu_us_per_message": spread(costs[callers], digits=1),
            }
            for callers in CALLERS
        },
    }


async def _through_storage(way: Way, callers: int, seconds: float) -> tuple[float, float]:
    """Messages per second, and seconds of the processor for each."""
    count = 0

    async def call(caller: int) -> None:
        nonlocal count
        while trio.current_time() < end:
            await way.grouped(storage, caller)
            count += 1

    with new_home() as home:
        async with open_storage(home / "bench.db") as storage:
            began, spent = trio.current_time(), time.process_time()
            end = began + seconds
            async with trio.open_nursery() as nursery:
                for caller in range(callers):
                    nursery.start_soon(call, caller)
            return count / (trio.current_time() - began), (time.process_time() - spent) / count


async def _in_a_thread(way: Way, seconds: float) -> float:
    with new_home() as home:
        async with open_storage(home / "bench.db"):
            pass
        with _committing(way, home / "bench.db") as store:
            count, began = 0, time.perf_counter()
            while time.perf_counter() - began < seconds:
                await trio.to_thread.run_sync(store)
                count += 1
            return count / (time.perf_counter() - began)


def _in_a_loop(way: Way, seconds: float) -> float:
    with new_home() as home:
        prepare(home / "bench.db")
        with _committing(way, home / "bench.db") as store:
            count, began = 0, time.perf_counter()
            while time.perf_counter() - began < seconds:
                store()
                count += 1
            return count / (time.perf_counter() - began)


@contextmanager
def _committing(way: Way, path: Path) -> Generator[Callable[[], None]]:
    """Stores a message, in a commit of its own."""
    with closing(connect_writer(path)) as connection:

        def store() -> None:
            connection.execute("BEGIN IMMEDIATE")
            way.alone(connection, 0)
            connection.execute("COMMIT")

        yield store


def _outbound(caller: int) -> Outbound:
    return Outbound(Address("telegram", "default", str(caller)), BODY)


def _acceptance(caller: int) -> Acceptance:
    run_id = _ids.next(time.time())
    inbound = Inbound(Address("telegram", "default", str(caller)), PeerKind.DM, str(caller), BODY, f"bench:{run_id}")
    return Acceptance(inbound, f"main:telegram:default:dm:{caller}", run_id)


_ids = TimeOrderedIds()

WAYS = {
    "outbox": Way(
        lambda storage, caller: storage.enqueue(_outbound(caller)),
        lambda connection, caller: outbox.enqueue(
            connection, f"msg_{_ids.next(time.time())}", _outbound(caller), None, time.time()
        ),
    ),
    "inbox": Way(
        lambda storage, caller: storage.accept([_acceptance(caller)]),
        lambda connection, caller: inbox.accept(connection, [_acceptance(caller)], None, "bench", time.time()),
    ),
}
