"""Queries on the outbox: its lanes, and pages of it for people."""

from __future__ import annotations

import sqlite3
from typing import Any

from xopc.contracts.messages import ErrorClass, Outbound, OutboxRow, OutboxState
from xopc.storage.path.outbox import LaneHead, OutboxPage, OutboxQuery, Pause, Selection
from xopc.storage.transactions.columns import from_json

MAX_LOOKED_AT = 2000
"""Rows of one state, of which a page picks a selection: it may run on the event loop."""

_COLUMNS = (
    "id, outbound, state, created_at, attempts, next_attempt_at, parts_sent, last_error, platform_ids,"
    " possible_duplicate, error_class, retried_at, pause, unclear, settled_at, run_id"
)
"""In the order of the fields of `OutboxRow`."""

_EXPIRES = "coalesce(retried_at, created_at) + ttl"
_OF_THEIR_OWN = "FROM outbox INDEXED BY outbox_expiring WHERE state = 'pending' AND ttl IS NOT NULL"
"""In the words of that index; without statistics, another one would be taken."""
_REST = "substr(lane, instr(lane, char(31)) + 1)"
_CHANNEL = "substr(lane, 1, instr(lane, char(31)) - 1)"
_ACCOUNT = f"substr({_REST}, 1, instr({_REST}, char(31)) - 1)"
_CHAT = f"substr({_REST}, instr({_REST}, char(31)) + 1)"
"""The parts of `lane_of`."""


def select_lanes(connection: sqlite3.Connection, after: str, limit: int) -> list[LaneHead]:
    """The oldest unsent message of each lane behind `after`, in the order of their names.

    A step of an index for each lane, however many messages are in it: grouped, they would all be read.
    """
    heads: list[LaneHead] = []
    while len(heads) < limit:
        row = connection.execute(
            "SELECT lane, next_attempt_at, pause, coalesce(retried_at, created_at), ttl FROM outbox"
            " WHERE settled_at IS NULL AND lane > ? ORDER BY lane, seq LIMIT 1",
            (after,),
        ).fetchone()
        if row is None:
            break
        heads.append(LaneHead(*row))
        after = heads[-1].lane
    return heads


def select_head(connection: sqlite3.Connection, lane: str) -> OutboxRow | None:
    """The oldest unsent message of a lane."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM outbox WHERE lane = ? AND settled_at IS NULL ORDER BY seq LIMIT 1",  # noqa: S608  names of columns
        (lane,),
    ).fetchone()
    return row and _row(row)


def select_row(connection: sqlite3.Connection, row_id: str) -> OutboxRow | None:
    """The message of this id."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM outbox WHERE id = ?", (row_id,)).fetchone()  # noqa: S608  names of columns
    return row and _row(row)


def select_expired(connection: sqlite3.Connection, now: float, limit: int) -> list[OutboxRow]:
    """The first messages that wait, and whose own time to live was over before this moment."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} {_OF_THEIR_OWN} AND {_EXPIRES} <= ? ORDER BY {_EXPIRES} LIMIT ?",
        (now, limit),
    )
    return [_row(row) for row in rows]


def select_next_expiry(connection: sqlite3.Connection) -> float | None:
    """When the first of these times is over."""
    (expiry,) = connection.execute(f"SELECT min({_EXPIRES}) {_OF_THEIR_OWN}").fetchone()
    return expiry


def select_of_run(connection: sqlite3.Connection, run_id: str) -> list[OutboxRow]:
    """The answers of a run, in their order."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM outbox WHERE run_id = ? ORDER BY seq", (run_id,))  # noqa: S608  names of columns
    return [_row(row) for row in rows]


def select_pauses(connection: sqlite3.Connection) -> list[Pause]:
    """The accounts that were to be left alone."""
    rows = connection.execute("SELECT channel, account, until, seconds, reason FROM outbox_pauses")
    return [Pause(*row) for row in rows]


def select_page(connection: sqlite3.Connection, query: OutboxQuery) -> OutboxPage:
    """Messages of these states, newest first.

    Of a selection, no more than `MAX_LOOKED_AT` rows of each state are looked at; then the page ends, and the next one
    goes on there.
    """
    found: list[tuple[int, OutboxRow]] = []
    looked_to = 0
    for state in dict.fromkeys(query.states):
        floor = _floor(connection, query, state)
        looked_to = max(looked_to, floor)
        found += _select_state(connection, query, state, floor)
    found.sort(key=lambda each: each[0], reverse=True)
    seen = [each for each in found if each[0] > looked_to]  # of another state there may be more in between
    page = seen[: query.limit]
    if len(seen) > query.limit:
        return OutboxPage(tuple(row for _, row in page), page[-1][0])
    return OutboxPage(tuple(row for _, row in page), looked_to + 1 if looked_to else None)


def condition(selection: Selection) -> tuple[str, tuple[str, ...]]:
    """A selection as a condition that begins with AND, and its values."""
    wanted = {
        _CHANNEL: selection.channel,
        _ACCOUNT: selection.account,
        _CHAT: selection.chat,
        "error_class": selection.error_class and selection.error_class.value,
    }
    values = {column: value for column, value in wanted.items() if value is not None}
    return "".join(f" AND {column} = ?" for column in values), tuple(values.values())


def _floor(connection: sqlite3.Connection, query: OutboxQuery, state: OutboxState) -> int:
    """The row at which to stop looking; 0 where nothing is left behind it."""
    if query.selection == Selection():
        return 0
    row = connection.execute(
        "SELECT seq FROM outbox WHERE state = ? AND seq < ? ORDER BY seq DESC LIMIT 1 OFFSET ?",
        (state.value, _before(query), MAX_LOOKED_AT),
    ).fetchone()
    return row[0] if row else 0


def _select_state(
    connection: sqlite3.Connection, query: OutboxQuery, state: OutboxState, floor: int
) -> list[tuple[int, OutboxRow]]:
    wanted, values = condition(query.selection)
    rows = connection.execute(
        f"SELECT {_COLUMNS}, seq FROM outbox WHERE state = ? AND seq < ? AND seq > ?{wanted}"  # noqa: S608  names of columns
        " ORDER BY seq DESC LIMIT ?",
        (state.value, _before(query), floor, *values, query.limit + 1),
    )
    return [(row[-1], _row(row[:-1])) for row in rows]


def _before(query: OutboxQuery) -> int:
    return 2**63 - 1 if query.before is None else query.before


def _row(row: tuple[Any, ...]) -> OutboxRow:
    row_id, outbound, state, created_at, attempts, next_attempt_at, parts, error, ids, duplicate, kind, *rest = row
    return OutboxRow(
        row_id,
        from_json(outbound, Outbound),
        OutboxState(state),
        created_at,
        attempts,
        next_attempt_at,
        parts,
        error,
        from_json(ids, tuple[str, ...]),
        bool(duplicate),
        kind and ErrorClass(kind),
        *rest,
    )
