"""The transactions of the message path in SQLite: each is a function of a connection, in the module of its subject."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from uuid import uuid4

from xopc.contracts.messages import Inbound, InboxCounts, InboxRow, InboxState, Outbound, OutboxRow
from xopc.contracts.transcript import Entry, Message, RunResult
from xopc.storage.apart import QUICK_ROWS
from xopc.storage.engine import Engine
from xopc.storage.ids import TimeOrderedIds
from xopc.storage.path.base import Acceptance, Accepted, Cursor, FailedAttempt, Head, Turn, TurnEnd, Unclaimed
from xopc.storage.path.forget import Person, Traces
from xopc.storage.path.heartbeat import Beat, Wake
from xopc.storage.path.inbox import InboxPlace
from xopc.storage.path.outbox import Attempt, LaneHead, OutboxPage, OutboxQuery, Pause, Removal, Selection
from xopc.storage.path.sessions import Chat, PruneQuery, SessionChange, SessionInfo, SessionQuery, SessionSum
from xopc.storage.sqlite_cron import SqliteCron
from xopc.storage.transactions import (
    cron,
    dedupe,
    forget as forgetting,
    heartbeat,
    inbox,
    outbox,
    outbox_select,
    parked,
    runs,
    session_lists,
    sessions,
    told,
    transcripts,
)
from xopc.storage.transactions.batches import BATCH, in_batches


class SqlitePath(SqliteCron):
    """`storage.path.PathStorage` over one engine, for as long as the database is open. What each does is said there."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds since the epoch."""
        self._engine = engine
        self._clock = clock
        self._ids = TimeOrderedIds()
        self._opening = str(uuid4())

    # ------------------------------------------------------------------ inbox

    async def accept(self, items: Sequence[Acceptance], cursor: Cursor | None = None) -> list[Accepted]:
        return await self._engine.write(inbox.accept, items, cursor, self._opening, self._clock())

    async def known_run(self, dedupe_key: str, request: str) -> str | None:
        return await self._engine.read(dedupe.select_known, dedupe_key, request, self._clock())

    async def cursor(self, channel: str, account: str) -> str | None:
        return await self._engine.read(inbox.select_cursor, channel, account)

    async def keep(self, run_id: str) -> None:
        await self._engine.write(inbox.keep, run_id)

    async def withdraw(self, run_id: str) -> bool:
        return await self._engine.write(inbox.withdraw, run_id)

    async def recover(self, boot_id: str) -> list[str]:
        return await self._engine.write(inbox.recover, boot_id, self._opening, self._clock())

    async def unclaimed(self, after: int, limit: int) -> list[Unclaimed]:
        return await self._engine.read(inbox.select_unclaimed, after, limit)

    async def release(self, boot_id: str) -> None:
        await self._engine.write(inbox.release, boot_id, self._clock())

    async def head(self, session_key: str) -> Head | None:
        return await self._engine.read(runs.select_head, session_key)

    async def fail_attempt(self, session_key: str, run_id: str | None, error: str) -> FailedAttempt | None:
        return await self._engine.write(runs.fail_attempt, session_key, run_id, error)

    async def claim(self, session_key: str, boot_id: str) -> Turn | None:
        return await self._engine.write(runs.claim, session_key, boot_id, self._clock())

    async def step(self, run_id: str, message: Message) -> Entry:
        return await self._engine.write(runs.step, run_id, message, self._clock())

    async def finish(self, run_id: str, end: TurnEnd) -> list[str]:
        now = self._clock()
        outbox_ids = [self._next_id(now) for _ in end.outbox]
        return await self._engine.write(runs.finish, run_id, end, outbox_ids, now)

    async def result(self, run_id: str) -> RunResult | None:
        return await self._engine.read(runs.select_result, run_id)

    async def inbox(self, state: InboxState, limit: int, behind: InboxPlace | None = None) -> list[InboxRow]:
        read = self._engine.read if limit <= QUICK_ROWS else self._engine.read_apart
        return await read(parked.select_inbox, state, limit, behind)

    async def inbox_counts(self) -> InboxCounts:
        return await self._engine.read(parked.select_counts)

    async def retry_parked(self, run_id: str) -> str | None:
        return await self._engine.write(parked.retry_parked, run_id, self._opening)

    async def delete_parked(self, run_id: str) -> bool:
        return await self._engine.write(parked.delete_parked, run_id)

    # --------------------------------------------------------------- sessions

    async def create_session(self, session_key: str, inbound_peer: str) -> SessionInfo:
        return await self._engine.write(sessions.create_session, session_key, inbound_peer, self._clock())

    async def session(self, session_key: str) -> SessionInfo | None:
        return await self._engine.read(sessions.select_session, session_key)

    async def sessions(self, query: SessionQuery) -> tuple[list[SessionInfo], int]:
        read = self._engine.read if session_lists.is_quick(query) else self._engine.read_apart
        return await read(session_lists.select_sessions, query, self._clock())

    async def session_sums(self) -> tuple[list[SessionSum], int]:
        return await self._engine.read_apart(session_lists.select_sums, self._clock())

    async def chats(self, channel: str | None, limit: int, offset: int = 0) -> list[Chat]:
        return await self._engine.read_apart(session_lists.select_chats, channel, limit, offset)

    async def empty_session(self, source: str, agent_id: str) -> SessionInfo | None:
        return await self._engine.read(sessions.select_empty_session, source, agent_id)

    async def active_run(self, session_key: str) -> str | None:
        return await self._engine.read(sessions.select_active_run, session_key)

    async def change_session(self, session_key: str, change: SessionChange) -> SessionInfo | None:
        return await self._engine.write(sessions.change_session, session_key, change)

    async def touch_sessions(self, accesses: Sequence[tuple[str, float]]) -> None:
        await self._engine.write(sessions.touch_sessions, accesses)

    async def delete_session(self, session_key: str) -> bool:
        return await self._engine.write(sessions.delete_session, session_key, self._clock())

    async def prunable_sessions(self, query: PruneQuery) -> list[str]:
        return await self._engine.read_apart(session_lists.select_prunable, query)

    async def prune_sessions(self, session_keys: Sequence[str], query: PruneQuery) -> list[str]:
        return await self._engine.write(session_lists.prune_sessions, session_keys, query, self._clock())

    async def reset_session(self, session_key: str) -> None:
        await self._engine.write(sessions.reset_session, session_key, self._clock())

    async def set_model(self, session_key: str, model: str | None) -> None:
        await self._engine.write(sessions.update_model, session_key, model)

    async def messages(self, session_key: str, limit: int, before: int | None = None) -> list[Entry]:
        return await self._engine.read(transcripts.select_messages, session_key, limit, before)

    async def all_messages(self, session_key: str, limit: int, most_chars: int) -> list[Entry]:
        return await self._engine.read_apart(transcripts.select_messages, session_key, limit, None, most_chars)

    async def history(self, session_key: str, limit: int) -> list[Entry]:
        return await self._engine.read(transcripts.select_history, session_key, limit)

    async def traces(self, people: Sequence[Person], names: Sequence[str]) -> Traces:
        return await self._engine.read_apart(forgetting.select_traces, people, names)

    async def forget(self, people: Sequence[Person], names: Sequence[str]) -> Traces:
        traces = await self._engine.write(forgetting.forget, people, names)
        await self._engine.truncate_log()
        return traces

    # ----------------------------------------------------------------- outbox

    async def enqueue(self, outbound: Outbound, idempotency_key: str | None = None) -> tuple[str, bool]:
        now = self._clock()
        return await self._engine.write(outbox.enqueue, self._next_id(now), outbound, idempotency_key, now)

    async def outbox_lanes(self, after: str, limit: int) -> list[LaneHead]:
        return await self._engine.read(outbox_select.select_lanes, after, limit)

    async def outbox_head(self, lane: str) -> OutboxRow | None:
        return await self._engine.read(outbox_select.select_head, lane)

    async def recover_outbox(self, idempotent: Sequence[str] = ()) -> int:
        return await self._engine.write(outbox.recover_outbox, idempotent)

    async def outbox_pauses(self) -> list[Pause]:
        return await self._engine.read(outbox_select.select_pauses)

    async def begin_attempt(self, row_id: str) -> bool:
        return await self._engine.write(outbox.begin_attempt, row_id)

    async def record_part(self, row_id: str, parts_sent: int, platform_id: str | None) -> None:
        await self._engine.write(outbox.record_part, row_id, parts_sent, platform_id)

    async def settle(self, row_id: str, attempt: Attempt) -> bool:
        return await self._engine.write(outbox.settle, row_id, attempt, self._clock())

    async def expired(self, now: float, limit: int) -> list[OutboxRow]:
        return await self._engine.read(outbox_select.select_expired, now, limit)

    async def next_expiry(self) -> float | None:
        return await self._engine.read(outbox_select.select_next_expiry)

    async def give_up(self, row_id: str, attempt: Attempt) -> bool:
        return await self._engine.write(outbox.give_up, row_id, attempt, self._clock())

    async def outbox(self, query: OutboxQuery) -> OutboxPage:
        read = self._engine.read if query.limit <= QUICK_ROWS else self._engine.read_apart
        return await read(outbox_select.select_page, query)

    async def outbox_row(self, row_id: str) -> OutboxRow | None:
        return await self._engine.read(outbox_select.select_row, row_id)

    async def retry_dead(self, row_id: str) -> bool:
        return await self._engine.write(outbox.retry_dead, row_id, self._clock())

    async def retry_all_dead(self, selection: Selection) -> tuple[int, set[str]]:
        return await self._engine.write(outbox.retry_all_dead, selection, self._clock())

    async def remove(self, row_id: str) -> Removal | None:
        return await self._engine.write(outbox.remove, row_id, self._clock())

    async def delete_all_dead(self, selection: Selection) -> int:
        return await self._engine.write(outbox.delete_all_dead, selection)

    # -------------------------------------------------------------- heartbeat

    async def wake_heart(self, wake: Wake) -> None:
        await self._engine.write(heartbeat.wake, wake)

    async def wakes(self) -> list[Wake]:
        return await self._engine.read(heartbeat.select_wakes)

    async def forget_wakes(self, wakes: Sequence[Wake]) -> None:
        await self._engine.write(heartbeat.forget_wakes, wakes)

    async def begin_beat(
        self, run_id: str, session_key: str, inbound: Inbound, reason: str, wakes: Sequence[Wake], *, deliver: bool
    ) -> bool:
        item = Acceptance(inbound, session_key, run_id, deliver=deliver)
        return await self._engine.write(heartbeat.begin_beat, item, reason, wakes, self._opening, self._clock())

    async def last_beat(self) -> Beat | None:
        return await self._engine.read(heartbeat.select_last_beat)

    # ------------------------------------------------------------------- room

    async def prune(self, now: float) -> None:
        await in_batches(self._engine, _prune, now)

    def _next_id(self, now: float) -> str:
        return f"msg_{self._ids.next(now)}"


def _prune(connection: sqlite3.Connection, now: float) -> int:
    """Forget `BATCH` rows at most that are old. How many it was."""
    gone = 0
    old = (inbox.prune_inbox, outbox.prune_outbox, told.prune_told, heartbeat.prune_beats, cron.prune_sessions)
    for prune in old:
        gone += prune(connection, now, BATCH - gone)
    return gone
