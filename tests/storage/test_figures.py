from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.storage.values import KEY, acceptance, done, outbound
from xopc.contracts.messages import OutboxState
from xopc.storage.base import StorageError
from xopc.storage.figures import measure
from xopc.storage.path.outbox import Attempt
from xopc.storage.transactions import inbox, outbox, runs


def test_an_empty_database_has_a_size_and_nothing_in_it(path: Path, connection: sqlite3.Connection) -> None:
    figures = measure(path)
    assert figures.bytes == path.stat().st_size
    assert figures.wal_bytes == path.with_name(f"{path.name}-wal").stat().st_size
    assert (figures.sessions, figures.messages, figures.inbox_waiting) == (0, 0, 0)
    assert (figures.outbox_waiting, figures.dead_letters, figures.free_bytes) == (0, 0, 0)


def test_what_waits_and_what_was_given_up_is_counted(path: Path, connection: sqlite3.Connection) -> None:
    inbox.accept(connection, [acceptance("run-1"), acceptance("run-2"), acceptance("run-3")], None, "now", 1)
    runs.claim(connection, KEY, "boot", 2)
    answers = (outbound("one"), outbound("two"), outbound("three"))
    runs.finish(connection, "run-1", done("hi", *answers), ["msg_1", "msg_2", "msg_3"], 3)
    for row, state in (("msg_1", OutboxState.SENT), ("msg_2", OutboxState.DEAD)):
        outbox.begin_attempt(connection, row)
        outbox.settle(connection, row, Attempt(state), 4)
    figures = measure(path)
    assert (figures.sessions, figures.messages, figures.inbox_waiting) == (1, 2, 2)
    assert (figures.outbox_waiting, figures.dead_letters) == (1, 1)


def test_a_database_that_is_not_there_is_not_made(path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be measured"):
        measure(path)
    assert not path.exists()
