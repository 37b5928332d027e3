"""Queries over many sessions: pages, sums, chats, and what a prune would forget.

A page walks the index of its order, and how many there are is read from sums that triggers keep, if those know it. What
narrows the list may have to look at each session, and runs apart from the event loop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from xopc.contracts.errors import Failure, XopcError
from xopc.storage.apart import QUICK_ROWS
from xopc.storage.path.sessions import (
    IDLE_SECONDS,
    Chat,
    Keeping,
    PruneQuery,
    SessionInfo,
    SessionQuery,
    SessionSum,
)
from xopc.storage.transactions.sessions import SELECT, delete_session, info

QUICK_OFFSET = 1000
"""As far into a list as the event loop goes."""

FEW = 500
"""Sessions that a query finds, and that are sorted then, instead of walking an index until there are enough."""

_ORDERS = {
    "updatedAt": "updated_at",
    "createdAt": "id",
    "messageCount": "message_count",
    "lastAccessedAt": "last_accessed_at",
}
"""Sessions are created in the order of their ids, whatever the clock said."""

_PRUNABLE = (
    " FROM sessions WHERE keeping = 'active' AND (:channel IS NULL OR source = :channel)"
    " AND (:agent IS NULL OR agent_id = :agent) AND (:since IS NULL OR updated_at < :since)"
    " AND NOT EXISTS (SELECT 1 FROM inbox WHERE session_id = sessions.id AND finished_at IS NULL)"
)


def is_quick(query: SessionQuery) -> bool:
    """Whether `select_sessions` reads few rows for it, however many sessions there are."""
    return not query.narrows and query.offset <= QUICK_OFFSET and query.limit <= QUICK_ROWS


def select_sessions(connection: sqlite3.Connection, query: SessionQuery, now: float) -> tuple[list[SessionInfo], int]:
    """A page of sessions, and how many there are in all.

    Raises:
        XopcError: INVALID_REQUEST: there is no such order.
    """
    column = _ORDERS.get(query.sort_by)
    if column is None:
        raise XopcError(Failure.INVALID_REQUEST, f'sortBy is "{query.sort_by}": use one of {", ".join(_ORDERS)}.')
    conditions, values = _conditions(query, now)
    direction = "DESC" if query.descending else "ASC"
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    counted = "coalesce(sum(sessions), 0) FROM session_sums" if query.is_summed else "count(*) FROM sessions"
    (total,) = connection.execute(f"SELECT {counted}{where}", values).fetchone()
    if total <= query.offset:  # which a walk would find out at its end
        return [], total
    # Few of very many: to read them all as they lie costs half of reading them in the order of an index.
    by = f"+{column}" if query.narrows and total <= FEW else column
    order = f" ORDER BY {by} {direction}, id {direction} LIMIT ? OFFSET ?"
    rows = connection.execute(SELECT + where + order, (*values, query.limit, query.offset))
    return list(map(info, rows)), total


def select_sums(connection: sqlite3.Connection, now: float) -> tuple[list[SessionSum], int]:
    """The sums, and how many active sessions are idle."""
    rows = connection.execute("SELECT agent_id, source, keeping, sessions, messages, turns, tokens FROM session_sums")
    sums = [SessionSum(agent, source, Keeping(keeping), *counts) for agent, source, keeping, *counts in rows]
    (idle,) = connection.execute(
        "SELECT count(*) FROM sessions WHERE keeping = 'active' AND updated_at < ?", (now - IDLE_SECONDS,)
    ).fetchone()
    return sums, idle


def select_chats(connection: sqlite3.Connection, channel: str | None, limit: int, offset: int = 0) -> list[Chat]:
    """The chats that somebody has written from, the last one first. Jobs and beats with a session of their own are
    nobody, and write from nowhere."""
    rows = connection.execute(
        "SELECT channel, account, chat, people.peer_kind, max(last_at) AS newest"
        " FROM session_people AS people JOIN sessions ON sessions.id = session_id"
        " WHERE source NOT IN ('cron', 'heartbeat') AND (?1 IS NULL OR channel = ?1)"
        " GROUP BY channel, account, chat ORDER BY newest DESC, channel, account, chat LIMIT ?2 OFFSET ?3",
        (channel, limit, offset),
    )
    return [Chat(*row) for row in rows]


def select_prunable(connection: sqlite3.Connection, query: PruneQuery) -> list[str]:
    """The keys of what a prune would forget, the longest unused first."""
    # The newest that stay are counted among all that are active, those that may not be forgotten now among them.
    rows = connection.execute(
        f"SELECT key{_PRUNABLE} AND id NOT IN (SELECT id FROM sessions WHERE keeping = 'active'"  # noqa: S608  no value in it
        " AND (:channel IS NULL OR source = :channel) AND (:agent IS NULL OR agent_id = :agent)"
        " ORDER BY updated_at DESC, id DESC LIMIT :keep) ORDER BY updated_at, id",
        {**_prune_values(query), "keep": query.keep_newest or 0},
    )
    return [key for (key,) in rows]


def prune_sessions(
    connection: sqlite3.Connection, session_keys: Sequence[str], query: PruneQuery, now: float
) -> list[str]:
    """Forget sessions of that list, unless somebody has written in them or kept them since; those that went."""
    values = _prune_values(query)
    return [
        key
        for key in session_keys
        if connection.execute(f"SELECT 1{_PRUNABLE} AND key = :key", {**values, "key": key}).fetchone()
        and delete_session(connection, key, now)
    ]


def _prune_values(query: PruneQuery) -> dict[str, object]:
    return {"channel": query.channel, "agent": query.agent_id, "since": query.unused_since}


def _conditions(query: SessionQuery, now: float) -> tuple[list[str], list[object]]:
    """What a session has to fulfil, and the values in it."""
    pairs = list(_each_condition(query, now))
    return [condition for condition, _ in pairs], [value for _, values in pairs for value in values]


def _each_condition(query: SessionQuery, now: float) -> Iterator[tuple[str, tuple[object, ...]]]:
    if query.narrows_keeping:
        arms = list(_each_keeping(query, now))
        either = " OR ".join(f"({arm})" for arm, _ in arms) or "0"
        yield f"({either})", tuple(value for _, values in arms for value in values)
    if query.channel:
        yield "source = ?", (query.channel,)
    if query.agent_id:
        yield "agent_id = ?", (query.agent_id,)
    for tag in query.tags:
        yield "EXISTS (SELECT 1 FROM session_tags WHERE session_id = sessions.id AND tag = ?)", (tag,)
    if query.search:
        folded = query.search.casefold()
        yield "(instr(key, ?) OR instr(folded_name, ?))", (folded, folded)


def _each_keeping(query: SessionQuery, now: float) -> Iterator[tuple[str, tuple[object, ...]]]:
    for keeping in sorted(query.keepings, key=lambda keeping: keeping.value):
        if keeping is not Keeping.ACTIVE or query.is_idle is None:
            yield "keeping = ?", (keeping.value,)
        else:
            than = "<" if query.is_idle else ">="
            yield f"keeping = ? AND updated_at {than} ?", (keeping.value, now - IDLE_SECONDS)
