"""What holds when the process is killed anywhere between accepting a message and knowing that its answer was sent."""

from __future__ import annotations

import os
import sys
from functools import partial
from itertools import groupby
from pathlib import Path

import pytest
import trio

from tests.storage.crashing_path import SESSIONS, address, run
from xopc.contracts.messages import OutboxRow, OutboxState
from xopc.contracts.transcript import RunState
from xopc.storage.path.base import PathStorage
from xopc.storage.path.outbox import OutboxQuery, lane_of
from xopc.storage.sqlite import open_storage

LIVES = 80
MANY = 10**6


@pytest.fixture
async def told(path: Path) -> list[list[str]]:
    """What the outside world saw while process after process was killed. Takes some 4 s: each has to come to work."""
    readable, writable = os.pipe()
    program = Path(__file__).with_name("crashing_path.py")
    command = [sys.executable, str(program), str(path), str(writable), str(LIVES)]
    text = b""
    async with trio.open_nursery() as nursery, trio.lowlevel.FdStream(readable) as stream:
        await nursery.start(partial(trio.run_process, command, pass_fds=[writable]))
        os.close(writable)
        async for chunk in stream:
            text += chunk
    return [line.split() for line in text.decode().splitlines()]


async def test_a_message_is_answered_and_sent_once_and_in_order_however_often_the_process_is_killed(
    path: Path, told: list[list[str]]
) -> None:
    accepted: dict[tuple[str, str], str] = {}
    for session_key, number, run_id in (words for verb, *words in told if verb == "accepted"):
        assert accepted.setdefault((session_key, number), run_id) == run_id
    finished = {words[0] for verb, *words in told if verb == "finished"}
    sent = {words[0] for verb, *words in told if verb == "sent"}
    assert len({run_id.partition("@")[2] for run_id in finished}) > LIVES // 4
    assert len(sent) > LIVES

    async with open_storage(path) as storage:
        known = finished | set(accepted.values())
        results = {run_id: await storage.result(run_id) for run_id in known}
        open_runs = {run_id for run_id, result in results.items() if result and result.state is RunState.RUNNING}
        done_runs = {run_id for run_id, result in results.items() if result and result.state is RunState.DONE}
        assert open_runs | done_runs == known
        assert finished <= done_runs

        assert open_runs <= set(await finish_the_rest(storage))
        rows = await rows_by_session(storage)
        for session_key in SESSIONS:
            count = await answered(storage, session_key)
            assert {int(number) for key, number in accepted if key == session_key} <= set(range(1, count + 1))
            assert [row.outbound.text for row in rows[session_key]] == [
                f"{number}.{part}" for number in range(1, count + 1) for part in (1, 2)
            ]
            check_deliveries(
                rows[session_key],
                [words[1] for verb, *words in told if words[0] == session_key and verb == "delivered"],
            )
        assert sent <= {row.id for row in (await storage.outbox(OutboxQuery((OutboxState.SENT,), MANY))).rows}


async def finish_the_rest(storage: PathStorage) -> list[str]:
    """Claim and finish what the last process left; the runs."""
    finished: list[str] = []
    for session_key in await storage.recover("last"):
        while turn := await storage.claim(session_key, "last"):
            await run(storage, turn)
            finished.append(turn.run_id)
    await storage.recover_outbox()
    return finished


async def answered(storage: PathStorage, session_key: str) -> int:
    """How many messages the transcript answers: each once, in order, with all steps of its run together."""
    entries = await storage.messages(session_key, MANY)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    runs = [list(group) for _, group in groupby(entries, key=lambda entry: entry.run_id)]
    for number, steps in enumerate(runs, start=1):
        said = [entry.message.content for entry in steps]
        assert said == [f"{number}", f"call {number}", f"result {number}", f"answer {number}"]
    return len(runs)


async def rows_by_session(storage: PathStorage) -> dict[str, list[OutboxRow]]:
    """All messages to send, in the order of the outbox, which is that of their ids."""
    rows = list((await storage.outbox(OutboxQuery(tuple(OutboxState), MANY))).rows)
    rows.sort(key=lambda row: row.id)
    waiting = {head.lane for head in await storage.outbox_lanes("", MANY)}
    by_session = {key: [row for row in rows if row.outbound.address == address(key)] for key in SESSIONS}
    for session_key, lane in by_session.items():
        unsent = [row for row in lane if row.state is not OutboxState.SENT]
        assert lane == [row for row in lane if row.state is OutboxState.SENT] + unsent
        where = address(session_key)
        name = lane_of(where.channel, where.account, where.chat)
        assert await storage.outbox_head(name) == (unsent[0] if unsent else None)
        assert (name in waiting) == bool(unsent)
    return by_session


def check_deliveries(rows: list[OutboxRow], delivered: list[str]) -> None:
    """In the order of the lane, from its beginning; twice only what is marked as a possible duplicate, and never more
    often than attempts are unclear."""
    in_order = [(row_id, len(list(group))) for row_id, group in groupby(delivered)]
    assert [row_id for row_id, _ in in_order] == [row.id for row in rows[: len(in_order)]]
    marked = {row.id for row in rows if row.possible_duplicate}
    assert {row_id for row_id, times in in_order if times > 1} <= marked
    assert {row.id for row in rows if row.state is OutboxState.SENT} <= set(delivered)
    most = {row.id: row.unclear + (row.state is OutboxState.SENT) for row in rows}
    assert all(times <= most[row_id] for row_id, times in in_order)
