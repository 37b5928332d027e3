"""The transactions of the heartbeat."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import pytest
from attrs import evolve

from tests.storage.values import DAY_SECONDS, KEY, acceptance, done, outbound
from xopc.contracts.transcript import RunState
from xopc.storage.path.heartbeat import MAX_WAKES, Beat, Wake
from xopc.storage.transactions import heartbeat, inbox, runs, sessions, transcripts
from xopc.storage.transactions.inbox import KEPT_SECONDS, prune_inbox


def begin(
    connection: sqlite3.Connection,
    run_id: str,
    now: float = 1,
    session: str = "heartbeat:main",
    wakes: Sequence[Wake] = (),
) -> bool:
    item = evolve(acceptance(run_id, session), deliver=True)
    return heartbeat.begin_beat(connection, item, "interval", wakes, "opening", now)


def test_before_the_first_beat_there_is_none(connection: sqlite3.Connection) -> None:
    assert heartbeat.select_last_beat(connection) is None


def test_a_beat_is_a_message_like_any_and_the_last_one(connection: sqlite3.Connection) -> None:
    assert begin(connection, "run-1", now=5)
    assert heartbeat.select_last_beat(connection) == Beat("run-1", "heartbeat:main", "interval", 5, RunState.RUNNING)
    turn = runs.claim(connection, "heartbeat:main", "boot", 6)
    assert turn is not None
    assert (turn.run_id, turn.bound, turn.deliver) == ("run-1", False, True)


def test_the_next_one_begins_when_the_last_has_its_end_and_no_sooner(connection: sqlite3.Connection) -> None:
    assert begin(connection, "run-1")
    assert not begin(connection, "run-2")
    assert not begin(connection, "run-2", session="heartbeat:isolated:7")
    runs.claim(connection, "heartbeat:main", "boot", 2)
    assert not begin(connection, "run-2")
    assert runs.select_result(connection, "run-2") is None
    runs.finish(connection, "run-1", done("hi"), [], 3)
    assert begin(connection, "run-2", now=4)
    last = heartbeat.select_last_beat(connection)
    assert last is not None
    assert (last.run_id, last.begun_at) == ("run-2", 4)


def wakes(connection: sqlite3.Connection) -> list[tuple[str, bool]]:
    return [(wake.reason, wake.by_hand) for wake in heartbeat.select_wakes(connection)]


def test_what_woke_it_is_remembered_until_a_beat_comes_of_it(connection: sqlite3.Connection) -> None:
    for reason in ("cron:a", "cron:b", "cron:a"):
        heartbeat.wake(connection, Wake(reason, by_hand=False))
    seen = heartbeat.select_wakes(connection)
    assert wakes(connection) == [("cron:a", False), ("cron:b", False)]
    heartbeat.wake(connection, Wake("trigger", by_hand=True))
    assert begin(connection, "run-1", wakes=seen)
    assert wakes(connection) == [("trigger", True)]
    assert not begin(connection, "run-2", wakes=heartbeat.select_wakes(connection))
    assert wakes(connection) == [("trigger", True)], "there was no beat"
    heartbeat.forget_wakes(connection, heartbeat.select_wakes(connection))
    assert wakes(connection) == []


def test_of_too_many_wakes_the_first_stay_and_that_somebody_is_among_them(connection: sqlite3.Connection) -> None:
    for number in range(MAX_WAKES + 5):
        heartbeat.wake(connection, Wake(f"cron:{number}", by_hand=False))
    heartbeat.wake(connection, Wake("trigger", by_hand=True))
    assert [reason for reason, _ in wakes(connection)] == [f"cron:{number}" for number in range(MAX_WAKES)]
    assert any(by_hand for _, by_hand in wakes(connection))


def test_a_message_to_the_chat_that_hears_of_a_beat_does_not_wait_for_it(connection: sqlite3.Connection) -> None:
    begin(connection, "run-1")
    runs.claim(connection, "heartbeat:main", "boot", 2)
    inbox.accept(connection, [acceptance("run-2")], None, "opening", 3)
    head = runs.select_head(connection, KEY)
    assert head is not None
    assert not head.is_held


def test_a_beat_of_another_process_still_runs_after_a_start(connection: sqlite3.Connection) -> None:
    begin(connection, "run-1")
    runs.claim(connection, "heartbeat:main", "boot-1", 2)
    assert inbox.recover(connection, "boot-2", "opening-2", 3) == ["heartbeat:main"]
    assert not begin(connection, "run-2")


def test_a_beat_whose_session_was_deleted_holds_up_none(connection: sqlite3.Connection) -> None:
    begin(connection, "run-1")
    sessions.delete_session(connection, "heartbeat:main", 2)
    last = heartbeat.select_last_beat(connection)
    assert last is not None
    assert last.state is None
    assert begin(connection, "run-2")


def test_when_the_last_one_began_is_known_for_longer_than_how_it_ended(connection: sqlite3.Connection) -> None:
    begin(connection, "run-1", now=1)
    runs.finish(connection, "run-1", done("hi"), [], 1)
    prune_inbox(connection, KEPT_SECONDS + 2)
    last = heartbeat.select_last_beat(connection)
    assert last is not None
    assert (last.begun_at, last.state) == (1, None)


def test_what_was_told_today_is_left_out_of_an_end_that_nobody_asked_for(connection: sqlite3.Connection) -> None:
    for number, (once_a_day, expected) in enumerate([(True, 1), (True, 0), (False, 1)]):
        inbox.accept(connection, [acceptance(f"run-{number}")], None, "opening", 1)
        end = evolve(done("It rains", outbound("It rains")), once_a_day=once_a_day)
        assert len(runs.finish(connection, f"run-{number}", end, [f"msg-{number}"], 1)) == expected
    inbox.accept(connection, [acceptance("run-9", KEY)], None, "opening", 1)
    end = evolve(done("It rains", outbound("It rains")), once_a_day=True)
    assert runs.finish(connection, "run-9", end, ["msg-9"], 1 + DAY_SECONDS) == ["msg-9"]


def test_single_beats_are_kept_for_a_week_unless_they_wait(connection: sqlite3.Connection) -> None:
    for number in range(3):
        inbox.accept(connection, [acceptance(f"run-{number}", f"heartbeat:isolated:{number}")], None, "opening", 1)
    inbox.accept(connection, [acceptance("run-9", KEY)], None, "opening", 1)
    for run_id in ("run-0", "run-1", "run-9"):
        runs.finish(connection, run_id, done("hi"), [], DAY_SECONDS if run_id == "run-1" else 1)
    heartbeat.prune_beats(connection, 7 * DAY_SECONDS + 2)
    keys = [key for (key,) in connection.execute("SELECT key FROM sessions ORDER BY id")]
    assert keys == ["heartbeat:isolated:1", "heartbeat:isolated:2", KEY]


def test_of_all_beats_the_newest_messages_are_kept(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "KEPT_MESSAGES", 20)
    for number in range(heartbeat.KEPT_MESSAGES):
        begin(connection, f"run-{number}", now=number)
        runs.claim(connection, "heartbeat:main", "boot", number)
        runs.finish(connection, f"run-{number}", done(f"reply {number}"), [], number)
    before = transcripts.select_history(connection, "heartbeat:main", 10)
    heartbeat.prune_beats(connection, 1)
    entries = transcripts.select_messages(connection, "heartbeat:main", 10_000, None)
    assert [entry.seq for entry in entries] == list(range(heartbeat.KEPT_MESSAGES + 1, 2 * heartbeat.KEPT_MESSAGES + 1))
    assert transcripts.select_history(connection, "heartbeat:main", 10) == before
    begin(connection, "next", now=9)
    turn = runs.claim(connection, "heartbeat:main", "boot", 9)
    assert turn is not None
    assert [entry.seq for entry in turn.steps] == [2 * heartbeat.KEPT_MESSAGES + 1]
