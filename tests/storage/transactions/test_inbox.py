from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import pytest
from attrs import evolve

from tests.storage.values import CHAT, DAY_SECONDS, KEY, OTHER_KEY, acceptance, done, inbound, said
from xopc.contracts.errors import XopcError
from xopc.contracts.transcript import RunResult, RunState
from xopc.storage.path.base import Acceptance, Accepted, Cursor, Head, Unclaimed
from xopc.storage.transactions.inbox import (
    accept,
    keep,
    prune_inbox,
    recover,
    release,
    select_cursor,
    select_unclaimed,
    withdraw,
)
from xopc.storage.transactions.runs import claim, finish, select_head, select_result, step
from xopc.storage.transactions.sessions import select_session
from xopc.storage.transactions.transcripts import select_messages

THREAD_KEY = "main:telegram:default:group:4711:thread:7"


def take(connection: sqlite3.Connection, *items: Acceptance, opening: str = "now") -> list[Accepted]:
    return accept(connection, items, None, opening, 100)


def states(connection: sqlite3.Connection, run_ids: Sequence[str]) -> list[RunState | None]:
    results = [select_result(connection, run_id) for run_id in run_ids]
    return [result and result.state for result in results]


def claimed(connection: sqlite3.Connection, boot_id: str = "boot", session_key: str = KEY) -> str | None:
    turn = claim(connection, session_key, boot_id, 200)
    return turn and turn.run_id


def test_an_accepted_message_makes_its_session_and_waits(connection: sqlite3.Connection) -> None:
    assert take(connection, acceptance("run-1")) == [Accepted("run-1", duplicate=False)]
    session = select_session(connection, KEY)
    assert session is not None
    assert (session.peer_id, session.created_at, session.message_count) == ("4711", 100, 0)
    assert select_result(connection, "run-1") == RunResult("run-1", KEY, RunState.RUNNING, "")


def test_a_known_dedupe_key_is_a_duplicate_and_changes_nothing(connection: sqlite3.Connection) -> None:
    first = acceptance("run-1")
    again = evolve(first, run_id="run-2", session_key=OTHER_KEY)
    assert take(connection, first, again) == [Accepted("run-1", duplicate=False), Accepted("run-1", duplicate=True)]
    assert take(connection, again) == [Accepted("run-1", duplicate=True)]
    assert select_session(connection, OTHER_KEY) is None
    assert states(connection, ["run-2"]) == [None]


def test_a_run_id_that_is_used_twice_is_refused(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"))
    with pytest.raises(sqlite3.IntegrityError):
        take(connection, evolve(acceptance("run-2"), run_id="run-1"))


def test_what_is_no_session_key_is_refused(connection: sqlite3.Connection) -> None:
    with pytest.raises(XopcError, match='"somewhere" is no session key'):
        take(connection, acceptance("run-1", "somewhere"))


def test_a_cursor_moves_with_what_was_read_and_without(connection: sqlite3.Connection) -> None:
    assert select_cursor(connection, "telegram", "default") is None
    accept(connection, [acceptance("run-1")], Cursor("telegram", "default", "7"), "now", 100)
    assert select_cursor(connection, "telegram", "default") == "7"
    accept(connection, [], Cursor("telegram", "default", "8"), "now", 100)
    accept(connection, [], Cursor("telegram", "work", "3"), "now", 100)
    assert select_cursor(connection, "telegram", "default") == "8"
    assert select_cursor(connection, "telegram", "work") == "3"


def test_messages_of_a_session_are_claimed_in_the_order_in_which_they_were_accepted(
    connection: sqlite3.Connection,
) -> None:
    run_ids = ["run-9", "run-1", "run-5"]
    take(connection, *map(acceptance, run_ids[:2]))
    take(connection, acceptance(run_ids[2]))
    for run_id in run_ids:
        assert claimed(connection) == run_id
        finish(connection, run_id, done("ok"), [], 300)
    assert claimed(connection) is None


def test_a_bound_message_can_be_withdrawn_and_accepted_anew(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1", bound=True))
    assert withdraw(connection, "run-1")
    assert states(connection, ["run-1"]) == [None]
    assert not withdraw(connection, "run-1")
    again = evolve(acceptance("run-1", bound=True), run_id="run-2")
    assert take(connection, again) == [Accepted("run-2", duplicate=False)]


def test_a_message_that_was_claimed_kept_ended_or_never_bound_cannot_be_withdrawn(
    connection: sqlite3.Connection,
) -> None:
    take(connection, acceptance("claimed", bound=True), acceptance("kept", bound=True), acceptance("free"))
    take(connection, acceptance("ended", OTHER_KEY, bound=True))
    assert claimed(connection) == "claimed"
    keep(connection, "kept")
    finish(connection, "ended", done("aborted"), [], 300)
    for run_id in ("claimed", "kept", "free", "ended", "unknown"):
        assert not withdraw(connection, run_id)
    assert states(connection, ["claimed", "kept", "free"]) == [RunState.RUNNING] * 3
    assert states(connection, ["ended"]) == [RunState.DONE]


def test_what_a_dead_process_had_claimed_is_free_and_goes_on_where_it_stopped(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"), acceptance("run-2"))
    claimed(connection, "boot-1")
    step(connection, "run-1", said("Let me see."), 250)
    assert claimed(connection, "boot-2") is None
    assert recover(connection, "boot-2", "later", 300) == [KEY]
    turn = claim(connection, KEY, "boot-2", 300)
    assert turn is not None
    assert turn.run_id == "run-1"
    assert [entry.message.content for entry in turn.steps] == ["to run-1", "Let me see."]


def test_what_was_bound_to_requests_of_a_dead_process_is_interrupted(connection: sqlite3.Connection) -> None:
    runs = ["claimed", "waiting", "kept", "free"]
    take(connection, *(acceptance(run_id, bound=run_id != "free") for run_id in runs), opening="before")
    keep(connection, "kept")
    claimed(connection, "boot-1")
    step(connection, "claimed", said("Let me"), 250)
    assert recover(connection, "boot-2", "now", 300) == [KEY]
    running, interrupted = RunState.RUNNING, RunState.INTERRUPTED
    assert states(connection, runs) == [interrupted, interrupted, running, running]
    result = select_result(connection, "claimed")
    assert result is not None
    assert result.reply == "Let me"
    assert result.error == "The gateway was stopped before the answer was complete. Send it again."
    assert finish(connection, "claimed", done("late"), [], 400) == []
    assert claimed(connection, "boot-2") == "kept"
    assert [entry.run_id for entry in select_messages(connection, KEY, 10, None)] == ["claimed", "claimed", "kept"]


def test_a_later_generation_of_the_same_process_recovers_nothing_of_its_own(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("claimed", bound=True), acceptance("waiting", bound=True))
    claimed(connection, "boot-1")
    assert recover(connection, "boot-1", "now", 300) == [KEY]
    assert claimed(connection, "boot-1") == "claimed"
    assert states(connection, ["claimed", "waiting"]) == [RunState.RUNNING] * 2


def test_what_a_boot_releases_is_free_and_has_not_failed(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"), acceptance("run-2", OTHER_KEY, bound=True), acceptance("run-3", bound=True))
    claimed(connection, "boot-1")
    claimed(connection, "boot-1", OTHER_KEY)
    release(connection, "boot-2", 300)
    assert claimed(connection, "boot-2") is None
    release(connection, "boot-1", 300)
    assert states(connection, ["run-1", "run-2", "run-3"]) == [
        RunState.RUNNING,
        RunState.INTERRUPTED,  # whoever waited on his connection was sent away, and asks again
        RunState.RUNNING,
    ]
    turn = claim(connection, KEY, "boot-2", 400)
    assert turn is not None
    assert (turn.run_id, turn.attempts) == ("run-1", 0)


def test_the_oldest_message_is_held_by_an_older_one_of_its_chat_in_another_session(
    connection: sqlite3.Connection,
) -> None:
    thread = evolve(inbound("thread"), address=evolve(CHAT, thread="7"))
    take(connection, acceptance("run-1"), acceptance("run-2", OTHER_KEY), Acceptance(thread, THREAD_KEY, "run-3"))
    unheard = evolve(acceptance("run-4", "main:cli:default:direct:a"), deliver=False)
    take(connection, unheard)
    assert select_head(connection, KEY) == Head(0, is_held=False)
    assert select_head(connection, OTHER_KEY) == Head(0, is_held=True)
    assert select_head(connection, THREAD_KEY) == Head(0, is_held=False)
    assert select_head(connection, unheard.session_key) == Head(0, is_held=False)
    assert select_head(connection, "main:cli:default:direct:nobody") is None
    finish(connection, "run-1", done("ok"), [], 300)
    assert select_head(connection, OTHER_KEY) == Head(0, is_held=False)


def test_sessions_with_work_come_in_the_order_of_their_oldest_message(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"), acceptance("run-2", OTHER_KEY), acceptance("run-3"))
    assert recover(connection, "boot", "now", 300) == [KEY, OTHER_KEY]
    finish(connection, "run-1", done("ok"), [], 300)
    assert recover(connection, "boot", "now", 300) == [OTHER_KEY, KEY]
    finish(connection, "run-3", done("ok"), [], 300)
    assert recover(connection, "boot", "now", 300) == [OTHER_KEY]


def test_an_answered_message_is_known_for_a_day_and_its_dedupe_key_for_a_week(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"), acceptance("run-2"))
    finish(connection, "run-1", done("ok"), [], 0)
    prune_inbox(connection, DAY_SECONDS)
    assert states(connection, ["run-1", "run-2"]) == [RunState.DONE, RunState.RUNNING]
    prune_inbox(connection, DAY_SECONDS + 1)
    assert states(connection, ["run-1", "run-2"]) == [None, RunState.RUNNING]
    again = [evolve(acceptance(run_id), run_id="again") for run_id in ("run-1", "run-2")]
    prune_inbox(connection, 7 * DAY_SECONDS)
    assert take(connection, *again) == [Accepted("run-1", duplicate=True), Accepted("run-2", duplicate=True)]
    prune_inbox(connection, 7 * DAY_SECONDS + 1)
    assert take(connection, *again) == [Accepted("again", duplicate=False), Accepted("run-2", duplicate=True)]


def test_the_dedupe_key_of_an_interrupted_run_grows_old_too(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1", bound=True), opening="before")
    recover(connection, "boot", "now", 0)
    prune_inbox(connection, 8 * DAY_SECONDS)
    again = evolve(acceptance("run-1"), run_id="again")
    assert take(connection, again) == [Accepted("again", duplicate=False)]


def test_what_nobody_has_claimed_is_told_oldest_first(connection: sqlite3.Connection) -> None:
    take(connection, *map(acceptance, ("run-9", "run-1")), acceptance("run-5", OTHER_KEY, bound=True))
    take(connection, acceptance("run-2"))
    claimed(connection)
    finish(connection, "run-1", done("aborted"), [], 300)
    five, two = Unclaimed(3, OTHER_KEY, "run-5", bound=True), Unclaimed(4, KEY, "run-2", bound=False)
    assert select_unclaimed(connection, 0, 9) == [five, two]
    assert select_unclaimed(connection, 0, 1) == [five]
    assert select_unclaimed(connection, five.place, 9) == [two]
