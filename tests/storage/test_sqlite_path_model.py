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
from xopc.contracts.messages import Address, InboxState, Outbound, OutboxRow, OutboxState
from xopc.contracts.transcript import Entry, RunState
from xopc.storage.base import StorageError
from xopc.storage.migrate import MIGRATIONS, split_statements
from xopc.storage.path.base import API_KEY, Acceptance, TurnEnd
from xopc.storage.path.heartbeat import Wake
from xopc.storage.path.outbox import Attempt, OutboxPage, OutboxQuery, Pause, Removal, Selection, lane_of
from xopc.storage.transactions import (
    dedupe,
    heartbeat,
    inbox,
    outbox,
    outbox_select,
    parked,
    runs,
    sessions,
    transcripts,
)

SESSIONS = st.sampled_from([KEY, OTHER_KEY])
CHATS = st.sampled_from(["1", "2"])
KEYS = st.integers(min_value=0, max_value=30).map(str)
CALLERS_KEYS = st.sampled_from(["x", "y"])
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
        self.take(Acceptance(inbound("user", dedupe_key), session_key, self.next_run_id(), bound=bound))

    @rule(session_key=SESSIONS, key=CALLERS_KEYS, request=st.sampled_from("ab"))
    def submit(self, session_key: str, key: str, request: str) -> None:
        item = Acceptance(inbound("user", API_KEY + key), session_key, self.next_run_id(), request=request)
        self.take(item)

    def take(self, item: Acceptance) -> None:
        key = item.inbound.dedupe_key
        expected = self.model.accept(item.session_key, item.run_id, key, bound=item.bound, request=item.request)
        if expected is None:
            with pytest.raises(XopcError):
                inbox.accept(self.connection, [item], None, self.opening, 1)
            return
        (accepted,) = inbox.accept(self.connection, [item], None, self.opening, 1)
        assert (accepted.run_id, accepted.duplicate) == expected
        assert dedupe.select_known(self.connection, key, item.request, 1) == accepted.run_id
        if not accepted.duplicate:
            self.run_ids.append(item.run_id)

    @rule(session_key=SESSIONS, number=st.none() | RECENT)
    def fail(self, session_key: str, number: int | None) -> None:
        run_id = None if number is None else self.recent(number)
        failed = runs.fail_attempt(self.connection, session_key, run_id, "It broke.")
        assert (failed and (failed.run_id, failed.attempts)) == self.model.fail(session_key, run_id)

    @rule(number=RECENT)
    def park(self, number: int) -> None:
        end = TurnEnd(RunState.FAILED, None, error="Given up.", parked=True)
        runs.finish(self.connection, self.recent(number), end, [], 1)
        self.model.park(self.recent(number))

    @rule(number=RECENT)
    def retry_parked(self, number: int) -> None:
        retried = parked.retry_parked(self.connection, self.recent(number), self.opening)
        assert retried == self.model.retry(self.recent(number))

    @rule(number=RECENT)
    def delete_parked(self, number: int) -> None:
        run_id = self.recent(number)
        assert parked.delete_parked(self.connection, run_id) == self.model.delete(run_id)

    @rule()
    def release(self) -> None:
        inbox.release(self.connection, self.boot, 1)
        self.model.release()

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
        wakes = heartbeat.select_wakes(self.connection)
        assert [wake.reason for wake in wakes] == list(self.model.wakes)
        assert any(wake.by_hand for wake in wakes) == any(self.model.wakes.values())
        begun = heartbeat.begin_beat(self.connection, item, "interval", wakes, self.opening, 1)
        assert begun == self.model.begin_beat(session_key, run_id)
        if begun:
            self.run_ids.append(run_id)

    @rule(reason=st.sampled_from("ab"), by_hand=st.booleans())
    def wake(self, reason: str, by_hand: bool) -> None:
        heartbeat.wake(self.connection, Wake(reason, by_hand))
        self.model.wakes[reason] = by_hand or self.model.wakes.get(reason, False)

    @rule(number=RECENT)
    def keep(self, number: int) -> None:
        inbox.keep(self.connection, self.recent(number))
        self.model.keep(self.recent(number))

    @rule(number=RECENT)
    def withdraw(self, number: int) -> None:
        assert inbox.withdraw(self.connection, self.recent(number)) == self.model.withdraw(self.recent(number))

    @rule(is_new_process=st.booleans(), is_idempotent=st.booleans())
    def start(self, is_new_process: bool, is_idempotent: bool) -> None:
        self.model.process += is_new_process
        assert set(inbox.recover(self.connection, self.boot, self.opening, 1)) == self.model.recover()
        idempotent = ("webchat", "telegram") if is_idempotent else ("webchat",)
        recovered = outbox.recover_outbox(self.connection, idempotent)
        assert recovered == self.model.recover_outbox(is_idempotent=is_idempotent)

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

    @rule(chat=CHATS, text=st.sampled_from("ab"), key=st.none() | CALLERS_KEYS)
    def enqueue(self, chat: str, text: str, key: str | None) -> None:
        message = Outbound(address(chat), text)
        row = Row(self.next_row_id(), lane(chat), text, key)
        if key is not None and not self.model.takes_key(key):
            with pytest.raises(XopcError):
                outbox.enqueue(self.connection, row.id, message, key, 1)
            return
        known = next((row for row in self.model.rows if key is not None and row.key == key), None)
        if known is None:
            self.model.rows.append(row)
            assert outbox.enqueue(self.connection, row.id, message, key, 1) == (row.id, False)
        elif (known.lane, known.text) == (row.lane, row.text):
            assert outbox.enqueue(self.connection, row.id, message, key, 1) == (known.id, True)
        else:
            with pytest.raises(XopcError):
                outbox.enqueue(self.connection, row.id, message, key, 1)

    @rule(
        chat=CHATS,
        has_part=st.booleans(),
        state=st.sampled_from([state for state in OutboxState if state is not OutboxState.CANCELLED]),
        ending=st.sampled_from(["", "unclear", "cut"]),
        seconds=st.sampled_from([0, 0, 7, 30]),
    )
    def attempt(self, chat: str, has_part: bool, state: OutboxState, ending: str, seconds: float) -> None:
        row = self.model.unsent(lane(chat))
        if row is None:
            return
        assert outbox.begin_attempt(self.connection, row.id)
        row.attempts += 1
        if has_part:
            row.parts += 1
            outbox.record_part(self.connection, row.id, row.parts, "17")
        pause = Pause("telegram", "default", 2, seconds, "flood") if seconds else None
        if pause:
            self.model.pauses["default"] = seconds
        is_unclear, was_cut = ending == "unclear", ending == "cut"
        attempt = Attempt(state, is_unclear=is_unclear, was_cut=was_cut, account_pause=pause)
        assert outbox.settle(self.connection, row.id, attempt, 1)
        row.state, row.unclear, row.attempts = state, row.unclear + is_unclear, row.attempts - was_cut

    @rule(number=RECENT)
    def attempt_what_may_be_settled(self, number: int) -> None:
        for row in self.model.rows[-number - 1 :][:1]:
            assert outbox.begin_attempt(self.connection, row.id) == row.is_unsent
            assert outbox.settle(self.connection, row.id, Attempt(OutboxState.INFLIGHT), 1) == row.is_unsent
            if row.is_unsent:
                row.state, row.attempts = OutboxState.INFLIGHT, row.attempts + 1

    @rule(number=RECENT)
    def give_up(self, number: int) -> None:
        for row in self.model.rows[-number - 1 :][:1]:
            waits = row.state is OutboxState.PENDING
            assert outbox.give_up(self.connection, row.id, Attempt(OutboxState.DEAD), 1) == waits
            row.state = OutboxState.DEAD if waits else row.state

    @rule(number=RECENT)
    def retry(self, number: int) -> None:
        rows = self.model.rows[-number - 1 :][:1]
        for row in rows:
            assert outbox.retry_dead(self.connection, row.id, 3) == bool(self.model.retry_dead(rows))

    @rule(number=RECENT)
    def remove(self, number: int) -> None:
        rows = self.model.rows[-number - 1 :][:1]
        for row in rows:
            removal = outbox.remove(self.connection, row.id, 1)
            if self.model.delete_dead(rows):
                assert removal is Removal.FORGOTTEN
            elif row.state in (OutboxState.PENDING, OutboxState.CANCELLED):
                assert removal is Removal.CANCELLED
                row.state = OutboxState.CANCELLED
            else:
                assert removal is Removal.TOO_LATE

    @rule(chat=st.none() | CHATS, is_retry=st.booleans())
    def decide_about_all(self, chat: str | None, is_retry: bool) -> None:
        rows = [row for row in self.model.rows if chat is None or row.lane == lane(chat)]
        if is_retry:
            revived = self.model.retry_dead(rows)
            expected = len(revived), {row.lane for row in revived}
            assert outbox.retry_all_dead(self.connection, Selection(chat=chat), 3) == expected
        else:
            deleted = outbox.delete_all_dead(self.connection, Selection(chat=chat))
            assert deleted == len(self.model.delete_dead(rows))

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
    def the_inbox_is_the_same(self) -> None:
        for state in InboxState:
            rows = parked.select_inbox(self.connection, state, EVERYTHING)
            assert {row.run_id for row in rows} == self.model.listed(state)
        for key in (KEY, OTHER_KEY):
            head = runs.select_head(self.connection, key)
            assert (head and (head.attempts, head.is_held)) == self.model.head(key)

    @invariant()
    def the_last_beat_is_the_same(self) -> None:
        beat = heartbeat.select_last_beat(self.connection)
        assert (beat and beat.run_id) == self.model.last_beat
        if beat is not None:
            assert beat.state == self.model.result(beat.run_id)

    @invariant()
    def the_outbox_is_the_same(self) -> None:
        rows = self.page(OutboxQuery(tuple(OutboxState), EVERYTHING)).rows
        assert [as_model(row) for row in rows] == [evolve(row, key=None) for row in self.model.rows[::-1]]
        assert {head.lane for head in outbox_select.select_lanes(self.connection, "", EVERYTHING)} == self.model.lanes()
        pauses = outbox_select.select_pauses(self.connection)
        assert {pause.account: pause.seconds for pause in pauses} == self.model.pauses
        for chat in ("1", "2"):
            head, expected = outbox_select.select_head(self.connection, lane(chat)), self.model.unsent(lane(chat))
            assert (head and head.id) == (expected and expected.id)

    @invariant()
    def pages_of_a_selection_hold_all_of_it(self) -> None:
        query = OutboxQuery((OutboxState.SENT, OutboxState.PENDING), 2, selection=Selection(chat="1"))
        page = self.page(query)
        ids = [row.id for row in page.rows]
        while page.next_before is not None:
            assert len(page.rows) <= 2
            page = self.page(evolve(query, before=page.next_before))
            ids += [row.id for row in page.rows]
        wanted = [row.id for row in self.model.rows if row.lane == lane("1") and row.state in query.states]
        assert ids == wanted[::-1]

    def page(self, query: OutboxQuery) -> OutboxPage:
        return outbox_select.select_page(self.connection, query)

    @property
    def boot(self) -> str:
        return f"boot-{self.model.process}"

    @property
    def opening(self) -> str:
        return f"opening-{self.model.process}"

    def recent(self, number: int) -> str:
        """One of the last runs; the first of all was never accepted."""
        return self.run_ids[-1 - number % len(self.run_ids)]

    def next_run_id(self) -> str:
        return f"run-{len(self.run_ids)}"

    def next_row_id(self) -> str:
        self.rows_made += 1
        return f"msg_{self.rows_made}"


def address(chat: str) -> Address:
    return Address("telegram", "default", chat)


def lane(chat: str) -> str:
    return lane_of("telegram", "default", chat)


def texts(entries: list[Entry] | tuple[Entry, ...]) -> list[Said]:
    return [(entry.run_id or "", entry.message.content) for entry in entries]


def as_model(row: OutboxRow) -> Row:
    where = row.outbound.address
    return Row(
        row.id,
        lane_of(where.channel, where.account, where.chat),
        row.outbound.text,
        None,
        row.state,
        row.attempts,
        row.parts_sent,
        row.possible_duplicate,
        row.unclear,
        row.retried_at is not None,
    )


@pytest.mark.timeout(240)  # it does nothing but compute, at a tenth of the pace where ten others do so
class TestMessagePath(MessagePath.TestCase):
    """Some 4 s: three hundred lives of forty transactions each."""

    settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
