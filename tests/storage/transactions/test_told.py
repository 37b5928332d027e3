"""The same is not told twice within a day."""

from __future__ import annotations

import sqlite3

from attrs import evolve

from tests.storage.values import CHAT, DAY_SECONDS, OTHER_CHAT, outbound
from xopc.storage.transactions.told import is_told_first, prune_told


def test_the_same_text_is_told_at_one_place_once_a_day(connection: sqlite3.Connection) -> None:
    assert is_told_first(connection, outbound("It rains"), 1)
    assert not is_told_first(connection, outbound("It rains"), 2)
    assert not is_told_first(connection, outbound(" It rains\n"), DAY_SECONDS)
    assert is_told_first(connection, outbound("It rains"), DAY_SECONDS + 1)
    assert not is_told_first(connection, outbound("It rains"), DAY_SECONDS + 2)


def test_another_text_and_another_place_are_another_matter(connection: sqlite3.Connection) -> None:
    assert is_told_first(connection, outbound("It rains"), 1)
    assert is_told_first(connection, outbound("It snows"), 1)
    assert is_told_first(connection, outbound("It rains", OTHER_CHAT), 1)
    assert is_told_first(connection, outbound("It rains", evolve(CHAT, thread="5")), 1)
    assert is_told_first(connection, outbound("half of a pair: \ud800"), 1)


def test_a_clock_that_was_wrong_silences_it_for_no_longer(connection: sqlite3.Connection) -> None:
    assert is_told_first(connection, outbound("It rains"), 10 * DAY_SECONDS)
    assert is_told_first(connection, outbound("It rains"), 1)


def test_what_was_told_yesterday_is_forgotten(connection: sqlite3.Connection) -> None:
    is_told_first(connection, outbound("It rains"), 1)
    is_told_first(connection, outbound("It snows"), DAY_SECONDS)
    prune_told(connection, DAY_SECONDS + 1)
    assert connection.execute("SELECT told_at FROM told").fetchall() == [(DAY_SECONDS,)]
