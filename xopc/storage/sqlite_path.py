"""The transactions of the message path in SQLite: each is a function of a connection, in the module of its subject."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from uuid import uuid4

from xopc.contracts.messages import Outbound, OutboxRow, OutboxState
from xopc.contracts.transcript import Entry, Message, RunResult
from xopc.storage import inbox, outbox, runs, sessions, transcripts
from xopc.storage.engine import Engine
from xopc.storage.ids import TimeOrderedIds
from xopc.storage.path import Acceptance, Accepted, Cursor, Turn, TurnEnd
from xopc.storage.path_outbox import Attempt
from xopc.storage.path_sessions import SessionInfo, SessionQuery
from xopc.storage.sqlite_cron import SqliteCron


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

    async def cursor(self, channel: str, account: str) -> str | None:
        return await self._engine.read(inbox.select_cursor, channel, account)

    async def keep(self, run_id: str) -> None:
        await self._engine.write(inbox.keep, run_id)

    async def withdraw(self, run_id: str) -> bool:
        return await self._engine.write(inbox.withdraw, run_id)

    async def recover(self, boot_id: str) -> list[str]:
        return await self._engine.write(inbox.recover, boot_id, self._opening, self._clock())

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

    # --------------------------------------------------------------- sessions

    async def create_session(self, session_key: str, inbound_peer: str) -> SessionInfo:
        return await self._engine.write(sessions.create_session, session_key, inbound_peer, self._clock())

    async def session(self, session_key: str) -> SessionInfo | None:
        return await self._engine.read(sessions.select_session, session_key)

    async def sessions(self, query: SessionQuery) -> tuple[list[SessionInfo], int]:
        return await self._engine.read(sessions.select_sessions, query)

    async def empty_session(self, source: str, agent_id: str) -> SessionInfo | None:
        return await self._engine.read(sessions.select_empty_session, source, agent_id)

    async def delete_session(self, session_key: str) -> bool:
        return await self._engine.write(sessions.delete_session, session_key, self._clock())

    async def reset_session(self, session_key: str) -> None:
        await self._engine.write(sessions.reset_session, session_key, self._clock())

    async def set_model(self, session_key: str, model: str | None) -> None:
        await self._engine.write(sessions.update_model, session_key, model)

    async def messages(self, session_key: str, limit: int, before: int | None = None) -> list[Entry]:
        return await self._engine.read(transcripts.select_messages, session_key, limit, before)

    async def history(self, session_key: str, limit: int) -> list[Entry]:
        return await self._engine.read(transcripts.select_history, session_key, limit)

    # ----------------------------------------------------------------- outbox

    async def enqueue(self, outbound: Outbound, idempotency_key: str | None = None) -> tuple[str, bool]:
        now = self._clock()
        return await self._engine.write(outbox.enqueue, self._next_id(now), outbound, idempotency_key, now)

    async def outbox_heads(self) -> list[OutboxRow]:
        return await self._engine.read(outbox.select_heads)

    async def outbox_head(self, lane: str) -> OutboxRow | None:
        return await self._engine.read(outbox.select_head, lane)

    async def recover_outbox(self) -> int:
        return await self._engine.write(outbox.recover_outbox)

    async def begin_attempt(self, row_id: str) -> None:
        await self._engine.write(outbox.begin_attempt, row_id)

    async def record_part(self, row_id: str, parts_sent: int, platform_id: str | None) -> None:
        await self._engine.write(outbox.record_part, row_id, parts_sent, platform_id)

    async def settle(self, row_id: str, attempt: Attempt) -> None:
        await self._engine.write(outbox.settle, row_id, attempt, self._clock())

    async def outbox(self, state: OutboxState, limit: int, offset: int = 0) -> list[OutboxRow]:
        return await self._engine.read(outbox.select_state, state, limit, offset)

    async def outbox_row(self, row_id: str) -> OutboxRow | None:
        return await self._engine.read(outbox.select_row, row_id)

    async def retry_dead(self, row_id: str) -> bool:
        return await self._engine.write(outbox.retry_dead, row_id)

    async def delete_dead(self, row_id: str) -> bool:
        return await self._engine.write(outbox.delete_dead, row_id)

    async def prune(self, now: float) -> None:
        await self._engine.write(_prune, now)

    def _next_id(self, now: float) -> str:
        return f"msg_{self._ids.next(now)}"


def _prune(connection: sqlite3.Connection, now: float) -> None:
    inbox.prune_inbox(connection, now)
    outbox.prune_outbox(connection, now)
