"""What holds of keys, attempts and parked messages when the process is killed at any moment."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from tests.storage.crashing_inbox import SESSIONS
from xopc.contracts.messages import InboxState
from xopc.contracts.transcript import Role, RunState
from xopc.core.sessions.parking import MAX_ATTEMPTS
from xopc.storage.path.base import PathStorage
from xopc.storage.sqlite import open_storage

ROOT = Path(__file__).parents[3]
LIVES = 40
MANY = 10**6


@pytest.fixture
async def told(path: Path) -> list[list[str]]:
    """What the outside world saw while process after process was killed. Takes some 3 s: each has to come to work."""
    readable, writable = os.pipe()
    command = [sys.executable, "-m", "tests.storage.crashing_inbox", str(path), str(writable), str(LIVES)]
    text = b""
    async with trio.open_nursery() as nursery, trio.lowlevel.FdStream(readable) as stream:
        await nursery.start(partial(trio.run_process, command, pass_fds=[writable], cwd=ROOT))
        os.close(writable)
        async for chunk in stream:
            text += chunk
    return [line.split() for line in text.decode().splitlines()]


async def test_a_request_has_one_run_and_a_run_one_end_however_often_the_process_is_killed(
    path: Path, told: list[list[str]]
) -> None:
    runs = defaultdict[tuple[str, str], set[str]](set)
    seen = defaultdict[str, set[str]](set)
    refused: set[str] = set()
    for verb, *words in told:
        if verb == "accepted":
            runs[words[0], words[1]].add(words[2])
        elif verb == "refused":
            refused.add(words[0])
        else:
            seen[verb].add(words[0])
    assert refused
    assert {"done", "parked"} <= seen.keys() <= {"done", "parked", "retried", "deleted"}, "how far they came is chance"
    # One key, one request, one run: whatever else was asked for under it was refused.
    assert {len(each) for each in runs.values()} == {1}
    assert len({key for key, _ in runs}) == len(runs)

    async with open_storage(path) as storage:
        await storage.recover("last")
        unclaimed = {waiting.run_id for waiting in await storage.unclaimed(0, MANY)}
        parked = {row.run_id: row for row in await storage.inbox(InboxState.PARKED, MANY)}
        assert all(row.attempts >= MAX_ATTEMPTS for row in parked.values())
        # Of some, whoever accepted them did not come to say so.
        known = {run_id for (run_id,) in runs.values()}.union(*seen.values())
        results = {run_id: await storage.result(run_id) for run_id in known}
        done = {run_id for run_id, result in results.items() if result and result.state is RunState.DONE}
        failed = {run_id for run_id, result in results.items() if result and result.state is RunState.FAILED}
        gone = {run_id for run_id, result in results.items() if result is None}
        assert failed == parked.keys() & known
        assert known - done - failed - gone <= unclaimed
        assert seen["done"] <= done
        # Only what was parked is ever deleted; whoever deleted the last one may not have come to say so.
        assert gone <= seen["parked"] | seen["deleted"]
        assert seen["deleted"] <= gone
        assert await answered(storage) == done


async def answered(storage: PathStorage) -> set[str]:
    """The runs whose answer stands in a transcript: once, behind the question that it was asked with at last."""
    entries = [entry for key in SESSIONS for entry in await storage.messages(key, MANY)]
    answers = [entry.run_id or "" for entry in entries if entry.message.role is Role.ASSISTANT]
    assert len(answers) == len(set(answers))
    for before, entry in pairwise(entries):
        if entry.message.role is Role.ASSISTANT:
            assert (before.run_id, before.message.role) == (entry.run_id, Role.USER)
    return set(answers)
