"""Transactions on runs: a turn of an agent, from the claim of its message to its end."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from xopc.contracts.messages import Inbound, PeerKind
from xopc.contracts.transcript import Entry, Message, Role, RunResult, RunState
from xopc.storage.base import StorageError
from xopc.storage.path.base import FailedAttempt, Head, Turn, TurnEnd
from xopc.storage.transactions.columns import from_json, storable, to_json
from xopc.storage.transactions.dedupe import update_done
from xopc.storage.transactions.outbox import insert_row
from xopc.storage.transactions.people import author_of
from xopc.storage.transactions.told import is_told_first
from xopc.storage.transactions.transcripts import append_message, select_steps


def claim(connection: sqlite3.Connection, session_key: str, boot_id: str, now: float) -> Turn | None:
    """The oldest message of the session that has no end, unless another boot has it; a run begins, or goes on."""
    row = connection.execute(
        "SELECT i.id, i.session_id, i.run_id, i.inbound, i.deliver, i.bound, i.model, i.boot_id, i.first_seq,"
        " i.attempts, i.last_error"
        " FROM sessions s JOIN inbox i ON i.session_id = s.id"
        " WHERE s.key = ? AND i.finished_at IS NULL ORDER BY i.id LIMIT 1",
        (session_key,),
    ).fetchone()
    if row is None:
        return None
    inbox_id, session_id, run_id, text, deliver, bound, model, owner, first_seq, attempts, last_error = row
    if owner not in (None, boot_id):
        return None
    inbound = from_json(text, Inbound)
    if first_seq is None:
        steps = (append_message(connection, session_id, run_id, _as_said(inbound), now, author=author_of(inbound)),)
    else:
        steps = select_steps(connection, session_id, first_seq, run_id)
    connection.execute("UPDATE inbox SET boot_id = ?, first_seq = ? WHERE id = ?", (boot_id, steps[0].seq, inbox_id))
    return Turn(run_id, session_key, inbound, bool(deliver), bool(bound), model, steps, attempts, last_error)


def select_head(connection: sqlite3.Connection, session_key: str) -> Head | None:
    """The oldest message of the session that has no end, without what it says."""
    row = connection.execute(
        "SELECT i.attempts, EXISTS"
        " (SELECT 1 FROM inbox o WHERE o.place = i.place AND o.id < i.id AND o.finished_at IS NULL)"
        " FROM sessions s JOIN inbox i ON i.session_id = s.id"
        " WHERE s.key = ? AND i.finished_at IS NULL ORDER BY i.id LIMIT 1",
        (session_key,),
    ).fetchone()
    return row and Head(row[0], bool(row[1]))


def fail_attempt(
    connection: sqlite3.Connection, session_key: str, run_id: str | None, error: str
) -> FailedAttempt | None:
    """One attempt more at a run that has no end, or at that of the session's oldest message; anybody may claim it."""
    row = connection.execute(
        "SELECT i.id, i.run_id, i.attempts FROM sessions s JOIN inbox i ON i.session_id = s.id"
        " WHERE s.key = ? AND i.finished_at IS NULL ORDER BY i.id LIMIT 1",
        (session_key,),
    ).fetchone()
    if row is None or run_id not in (None, row[1]):
        return None
    inbox_id, failed, attempts = row
    connection.execute(
        "UPDATE inbox SET boot_id = NULL, attempts = ?, last_error = ? WHERE id = ?",
        (attempts + 1, storable(error), inbox_id),
    )
    return FailedAttempt(failed, attempts + 1)


def step(connection: sqlite3.Connection, run_id: str, message: Message, now: float) -> Entry:
    """Append what a running turn did.

    Raises:
        StorageError: it does not run: it was never claimed, has ended, or was deleted with its session.
    """
    row = connection.execute(
        "SELECT session_id FROM inbox WHERE run_id = ? AND first_seq IS NOT NULL AND finished_at IS NULL", (run_id,)
    ).fetchone()
    if row is None:
        raise StorageError(f"Nothing was stored: the run {run_id} is not running, or was deleted with its session.")
    return append_message(connection, row[0], run_id, message, now)


def finish(
    connection: sqlite3.Connection, run_id: str, end: TurnEnd, outbox_ids: Sequence[str], now: float
) -> list[str]:
    """End a run that has not ended, with the rows of its answers; `outbox_ids` are theirs. Gives those of the rows
    that were stored: an end that is told once a day leaves out what was told before."""
    row = connection.execute(
        "SELECT session_id FROM inbox WHERE run_id = ? AND finished_at IS NULL", (run_id,)
    ).fetchone()
    if row is None:
        return []
    if end.message is not None:
        append_message(connection, row[0], run_id, end.message, now)
    stored: list[str] = []
    for row_id, outbound in zip(outbox_ids, end.outbox, strict=True):
        if not end.once_a_day or is_told_first(connection, outbound, now):
            insert_row(connection, row_id, outbound, None, now, run_id=run_id)
            stored.append(row_id)
    end_run(connection, run_id, end, now)
    return stored


def end_run(connection: sqlite3.Connection, run_id: str, end: TurnEnd, now: float) -> None:
    """Keep how a run ended, for those who ask; its dedupe key grows old from here on."""
    session_id, session_key, first_seq, dedupe_key = connection.execute(
        "SELECT s.id, s.key, i.first_seq, i.dedupe_key FROM inbox i JOIN sessions s ON s.id = i.session_id"
        " WHERE i.run_id = ?",
        (run_id,),
    ).fetchone()
    reply = end.message.content if end.message else _partial_reply(connection, session_id, first_seq, run_id)
    result = RunResult(run_id, session_key, end.state, reply, end.model, end.usage, end.error, end.timed_out)
    connection.execute(
        "UPDATE inbox SET finished_at = ?, result = ?, parked_at = ? WHERE run_id = ?",
        (now, to_json(result), now if end.parked else None, run_id),
    )
    update_done(connection, dedupe_key, run_id, now)
    if first_seq is not None:
        connection.execute(
            "UPDATE sessions SET turn_count = turn_count + 1, token_count = token_count + ?, last_turn_at = ?"
            " WHERE id = ?",
            (end.usage.input + end.usage.output, now, session_id),
        )


def select_result(connection: sqlite3.Connection, run_id: str) -> RunResult | None:
    """How a run ended, or what it has said so far."""
    row = connection.execute(
        "SELECT s.id, s.key, i.first_seq, i.result FROM inbox i JOIN sessions s ON s.id = i.session_id"
        " WHERE i.run_id = ?",
        (run_id,),
    ).fetchone()
    if row is None:
        return None
    session_id, session_key, first_seq, result = row
    if result is not None:
        return from_json(result, RunResult)
    reply = _partial_reply(connection, session_id, first_seq, run_id)
    return RunResult(run_id, session_key, RunState.RUNNING, reply)


def _as_said(inbound: Inbound) -> Message:
    """The user's message; where several people speak, with who wrote it."""
    is_shared = inbound.peer_kind in (PeerKind.GROUP, PeerKind.CHANNEL)
    return Message(Role.USER, inbound.text, sender=(inbound.sender_name or inbound.sender) if is_shared else None)


def _partial_reply(connection: sqlite3.Connection, session_id: int, first_seq: int | None, run_id: str) -> str:
    """The last words of the agent in this run."""
    if first_seq is None:
        return ""
    steps = select_steps(connection, session_id, first_seq, run_id)
    said = (entry.message.content for entry in reversed(steps) if entry.message.role is Role.ASSISTANT)
    return next(filter(None, said), "")
