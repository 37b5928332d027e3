"""The storage does what a model in plain lists does, whatever comes in whatever order."""

from __future__ import annotations

import sqlite3

import pytest
from attrs import evolve
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.storage.path_model import Path, Row, Said
from tests.storage.values import KEY, OTHER_KEY, done, inbound, said, tool_result
from xopc.contracts.errors import XopcError
from xopc.contracts.messages import Address, Outbound, OutboxRow, OutboxState
from xopc.contracts.transcript import Entry
from xopc.storage import heartbeat, inbox, outbox, runs, sessions, transcripts
from xopc.storage.base import StorageError
from xopc.storage.migrate import MIGRATIONS, split_statements
from xopc.storage.path import Acceptance
from xopc.storage.path_outbox import Attempt, lane_of

SESSIONS = st.sampled_from([KEY, OTHER_KEY])
CHATS = st.sampled_from(["1", "2"])
KEYS = st.integers(min_value=0, max_value=30).map(str)
RECENT = st.integers(min_value=0, max_value=4)
WINDOW = 3
EVERYTHING = 10_000


class MessagePath(RuleBasedStateMachine):
    """Each rule does the same to the storage and to the model, and compares what they answer."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Path()
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.execute("PRAGMA foreign_keys = ON")
        for migration in MIGRATIONS:
            for statement in split_statements(migration.sql):
                self.connection.execute(statement)
        self.run_ids = ["run-0"]
        self.rows_made = 0

    def teardown(self) -> None:
        self.connection.close()

    # ------------------------------------------------------------------ inbox

    @rule(session_key=SESSIONS, dedupe_key=KEYS, bound=st.booleans())
    def accept(self, session_key: str, dedupe_key: str, bound: bool) -> None:
        item = Acceptance(inbound("user", dedupe_key), session_key, f"run-{len(self.run_ids)}", bound=bound)
        (accepted,) = inbox.accept(self.connection, [item], None, self.opening, 1)
        expected = self.model.accept(session_key, item.run_id, dedupe_key, bound=bound)
        assert (accepted.run_id, accepted.duplicate) == expected
        if not accepted.duplicate:
            self.run_ids.append(item.run_id)

    @rule(session_key=SESSIONS)
    def claim(self, session_key: str) -> None:
        turn = runs.claim(self.connection, session_key, self.boot, 1)
        assert (turn and (turn.run_id, texts(turn.steps))) == self.model.claim(session_key)

    @rule(number=RECENT, is_tool=st.booleans())
    def step(self, number: int, is_tool: bool) -> None:
        run_id = self.recent(number)
        message = tool_result("c1", "tool") if is_tool else said("agent")
        if self.model.step(run_id, message.content):
            runs.step(self.connection, run_id, message, 1)
        else:
            with pytest.raises(StorageError):
                runs.step(self.connection, run_id, message, 1)

    @rule(number=RECENT, chats=st.lists(CHATS, max_size=3), text=st.sampled_from("ab"), once_a_day=st.booleans())
    def finish(self, number: int, chats: list[str], text: str, once_a_day: bool) -> None:
        run_id = self.recent(number)
        rows = [Row(self.next_row_id(), lane(chat), text) for chat in chats]
        end = evolve(done("end", *(Outbound(address(chat), text) for chat in chats)), once_a_day=once_a_day)
        ids = runs.finish(self.connection, run_id, end, [row.id for row in rows], 1)
        assert ids == [row.id for row in self.model.finish(run_id, "end", rows, once_a_day=once_a_day)]

    @rule(session_key=SESSIONS)
    def beat(self, session_key: str) -> None:
        run_id = f"run-{len(self.run_ids)}"
        item = Acceptance(inbound("user", f"heartbeat:{run_id}"), session_key, run_id)
        begun = heartbeat.begin_beat(self.connection, item, "interval", self.opening, 1)
        assert begun == self.model.begin_beat(session_key, run_id)
        if begun:
            self.run_ids.append(run_id)

    @rule(number=RECENT)
    def keep(self, number: int) -> None:
        inbox.keep(self.connection, self.recent(number))
        self.model.keep(self.recent(number))

    @rule(number=RECENT)
    def withdraw(self, number: int) -> None:
        assert inbox.withdraw(self.connection, self.recent(number)) == self.model.withdraw(self.recent(number))

    @rule(is_new_process=st.booleans())
    def start(self, is_new_process: bool) -> None:
        self.model.process += is_new_process
        assert set(inbox.recover(self.connection, self.boot, self.opening, 1)) == self.model.recover()
        assert outbox.recover_outbox(self.connection) == self.model.recover_outbox()

    # --------------------------------------------------------------- sessions

    @rule(session_key=SESSIONS)
    def delete(self, session_key: str) -> None:
        deleted = sessions.delete_session(self.connection, session_key, 1)
        assert deleted == (self.model.sessions.pop(session_key, None) is not None)

    @rule(session_key=SESSIONS)
    def reset(self, session_key: str) -> None:
        sessions.reset_session(self.connection, session_key, 1)
        if session := self.model.sessions.get(session_key):
            session.reset = len(session.messages)

    # ----------------------------------------------------------------- outbox

    @rule(chat=CHATS, text=st.sampled_from("ab"), key=st.sampled_from([None, "x", "y"]))
    def enqueue(self, chat: str, text: str, key: str | None) -> None:
        message = Outbound(address(chat), text)
        row = Row(self.next_row_id(), lane(chat), text, key)
        known = next((row for row in self.model.rows if key is not None and row.key == key), None)
        if known is None:
            self.model.rows.append(row)
            assert outbox.enqueue(self.connection, row.id, message, key, 1) == (row.id, False)
        elif (known.lane, known.text) == (row.lane, row.text):
            assert outbox.enqueue(self.connection, row.id, message, key, 1) == (known.id, True)
        else:
            with pytest.raises(XopcError):
                outbox.enqueue(self.connection, row.id, message, key, 1)

    @rule(chat=CHATS, has_part=st.booleans(), state=st.sampled_from(OutboxState))
    def attempt(self, chat: str, has_part: bool, state: OutboxState) -> None:
        row = self.model.head(lane(chat))
        if row is None:
            return
        outbox.begin_attempt(self.connection, row.id)
        row.attempts += 1
        if has_part:
            row.parts += 1
            outbox.record_part(self.connection, row.id, row.parts, "17")
        outbox.settle(self.connection, row.id, Attempt(state), 1)
        row.state = state

    @rule(number=RECENT, is_retry=st.booleans())
    def bury_or_wake(self, number: int, is_retry: bool) -> None:
        for row in self.model.rows[-number - 1 :][:1]:
            is_dead = row.state is OutboxState.DEAD
            change = outbox.retry_dead if is_retry else outbox.delete_dead
            assert change(self.connection, row.id) == is_dead
            if is_dead and is_retry:
                row.state, row.attempts = OutboxState.PENDING, 0
            elif is_dead:
                self.model.rows.remove(row)

    # ------------------------------------------------------------- what holds

    @invariant()
    def the_sessions_are_the_same(self) -> None:
        for key in (KEY, OTHER_KEY):
            session = self.model.sessions.get(key)
            info = sessions.select_session(self.connection, key)
            entries = transcripts.select_messages(self.connection, key, EVERYTHING, None)
            assert (info and info.message_count) == (session and len(session.messages))
            assert texts(entries) == (session.messages if session else [])
            assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
            history = transcripts.select_history(self.connection, key, WINDOW)
            assert texts(history) == (self.model.history(key, WINDOW) if session else [])

    @invariant()
    def the_results_are_the_same(self) -> None:
        for run_id in self.run_ids[-10:]:
            result = runs.select_result(self.connection, run_id)
            assert (result and result.state) == self.model.result(run_id)

    @invariant()
    def the_last_beat_is_the_same(self) -> None:
        beat = heartbeat.select_last_beat(self.connection)
        assert (beat and beat.run_id) == self.model.last_beat
        if beat is not None:
            assert beat.state == self.model.result(beat.run_id)

    @invariant()
    def the_outbox_is_the_same(self) -> None:
        rows = [row for state in OutboxState for row in outbox.select_state(self.connection, state, EVERYTHING, 0)]
        assert sorted(map(as_model, rows)) == sorted(
            (row.id, row.lane, row.text, row.state.value, row.attempts, row.parts, row.possible_duplicate)
            for row in self.model.rows
        )
        for chat in ("1", "2"):
            head, expected = outbox.select_head(self.connection, lane(chat)), self.model.head(lane(chat))
            assert (head and head.id) == (expected and expected.id)

    @property
    def boot(self) -> str:
        return f"boot-{self.model.process}"

    @property
    def opening(self) -> str:
        return f"opening-{self.model.process}"

    def recent(self, number: int) -> str:
        """One of the last runs; the first of all was never accepted."""
        return self.run_ids[-1 - number % len(self.run_ids)]

    def next_row_id(self) -> str:
        self.rows_made += 1
        return f"msg_{self.rows_made}"


def address(chat: str) -> Address:
    return Address("telegram", "default", chat)


def lane(chat: str) -> str:
    return lane_of("telegram", "default", chat)


def texts(entries: list[Entry] | tuple[Entry, ...]) -> list[Said]:
    return [(entry.run_id or "", entry.message.content) for entry in entries]


def as_model(row: OutboxRow) -> tuple[str, str, str, str, int, int, bool]:
    where = row.outbound.address
    return (
        row.id,
        lane_of(where.channel, where.account, where.chat),
        row.outbound.text,
        row.state.value,
        row.attempts,
        row.parts_sent,
        row.possible_duplicate,
    )


@pytest.mark.timeout(240)  # it does nothing but compute, at a tenth of the pace where ten others do so
class TestMessagePath(MessagePath.TestCase):
    """Some 4 s: three hundred lives of forty transactions each."""

    settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
