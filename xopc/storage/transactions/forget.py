"""Forgetting a person: what there is, and the transaction that removes all of it.

A private session in which nobody else has written goes as a whole. In one that others share, the messages of the person
are redacted in their places, and so is all that the agent did in answer to them: an answer repeats what it was asked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from attrs import field, frozen

from xopc.contracts.errors import InvalidValueError
from xopc.contracts.messages import Inbound, Outbound, PeerKind
from xopc.contracts.transcript import Message
from xopc.storage.path.forget import REDACTED, Person, Traces
from xopc.storage.path.outbox import account_of, chat_of, lane_of
from xopc.storage.transactions.columns import from_json, to_json
from xopc.storage.transactions.people import person_of
from xopc.storage.transactions.transcripts import forget_parsed

_PRIVATE = (PeerKind.DM.value, PeerKind.DIRECT.value)


@frozen
class _Found:
    """What there is of a person, by the rows of the database."""

    owned: frozenset[int] = frozenset()
    """Sessions that go as a whole."""
    shared: frozenset[int] = frozenset()
    runs: frozenset[str] = frozenset()
    """Of the person, in shared sessions."""
    people: tuple[Person, ...] = ()
    lanes: dict[str, bool] = field(factory=dict[str, bool])
    """To the chats where the person has written, and whether such a chat is the person's alone."""
    inbox: dict[str, Inbound | None] = field(factory=dict[str, Inbound | None])
    """What the person wrote within a day, by its run; None of what cannot be read."""


def select_traces(connection: sqlite3.Connection, people: Sequence[Person], names: Sequence[str]) -> Traces:
    """What `forget` would forget."""
    return _traces(connection, _find(connection, people, names))


def forget(connection: sqlite3.Connection, people: Sequence[Person], names: Sequence[str]) -> Traces:
    """Forget all of it, and tell what it was."""
    found = _find(connection, people, names)
    traces = _traces(connection, found)
    connection.executemany("DELETE FROM dedupe_keys WHERE key = ?", [(key,) for key in _dedupe_keys(connection, found)])
    connection.executemany("DELETE FROM outbox WHERE seq = ?", [(seq,) for seq in _outbox_rows(connection, found)])
    connection.executemany("DELETE FROM inbox WHERE run_id = ?", [(run_id,) for run_id in found.inbox])
    connection.executemany("DELETE FROM sessions WHERE id = ?", [(owned,) for owned in found.owned])
    for row_id, text in list(_messages_of_runs(connection, found)):
        connection.execute(
            "UPDATE messages SET message = ?, author = NULL WHERE rowid = ?", (to_json(_redacted(text)), row_id)
        )
    for person in people:
        connection.execute(
            "DELETE FROM session_people WHERE person = ?1 AND (?2 IS NULL OR channel = ?2)", (person.id, person.channel)
        )
    forget_parsed()
    return traces


def _find(connection: sqlite3.Connection, people: Sequence[Person], names: Sequence[str]) -> _Found:
    places = [
        row
        for person in people
        for row in connection.execute(
            "SELECT session_id, channel, account, chat, peer_kind FROM session_people"
            " WHERE person = ?1 AND (?2 IS NULL OR channel = ?2)",
            (person.id, person.channel),
        )
    ]
    groups = {session for session, _, _, _, kind in places if kind not in _PRIVATE}
    spoken = {session for session, *_ in places}
    owned = {session for session in spoken - groups if not _has_others(connection, session, people)}
    owned |= {session for session in _named(connection, people, names) if not _has_others(connection, session, people)}
    shared = spoken - owned
    return _Found(
        owned=frozenset(owned),
        shared=frozenset(shared),
        runs=frozenset(_runs_of(connection, shared, people)),
        people=tuple(people),
        lanes={
            lane_of(channel, account, chat): kind in _PRIVATE
            for _, channel, account, chat, kind in sorted(places, key=lambda place: place[-1] in _PRIVATE)
        },
        inbox=dict(_inbox_of(connection, owned, shared, people)),
    )


def _named(connection: sqlite3.Connection, people: Sequence[Person], names: Sequence[str]) -> Iterator[int]:
    """Private sessions whose key says whose they are, whoever has written there."""
    for person in people:
        yield from _ids(
            connection.execute(
                "SELECT id FROM sessions WHERE peer_kind IN ('dm', 'direct') AND lower(peer_id) = ?1"
                " AND (?2 IS NULL OR source = ?2)",
                (person.id, person.channel),
            )
        )
    for name in names:
        rows = connection.execute("SELECT id FROM sessions WHERE peer_kind = 'dm' AND peer_id = ?", (name,))
        yield from _ids(rows)


def _has_others(connection: sqlite3.Connection, session: int, people: Sequence[Person]) -> bool:
    rows = connection.execute("SELECT channel, person FROM session_people WHERE session_id = ?", (session,))
    return not all(_is_one_of(channel, person, people) for channel, person in rows)


def _is_one_of(channel: str, person: str, people: Iterable[Person]) -> bool:
    return any(person == one.id and one.channel in (None, channel) for one in people)


def _runs_of(connection: sqlite3.Connection, shared: Iterable[int], people: Sequence[Person]) -> Iterator[str]:
    for session in shared:
        rows = connection.execute(
            "SELECT run_id, author FROM messages WHERE session_id = ? AND author IS NOT NULL AND run_id IS NOT NULL",
            (session,),
        )
        for run_id, author in rows:
            channel, _, person = author.partition(":")
            if _is_one_of(channel, person, people):
                yield run_id


def _inbox_of(
    connection: sqlite3.Connection, owned: Iterable[int], shared: Iterable[int], people: Sequence[Person]
) -> Iterator[tuple[str, Inbound | None]]:
    for sessions, is_all in ((owned, True), (shared, False)):
        for session in sessions:
            rows = connection.execute("SELECT run_id, inbound FROM inbox WHERE session_id = ?", (session,)).fetchall()
            for run_id, text in rows:
                inbound = None
                with suppress(InvalidValueError, ValueError):  # of a message that was given up because of just this
                    inbound = from_json(text, Inbound)
                if is_all or (inbound and _is_one_of(inbound.address.channel, person_of(inbound), people)):
                    yield run_id, inbound


def _traces(connection: sqlite3.Connection, found: _Found) -> Traces:
    counts = [connection.execute("SELECT count(*) FROM messages WHERE session_id = ?", (one,)) for one in found.owned]
    return Traces(
        sessions=_keys(connection, found.owned),
        shared=_keys(connection, found.shared),
        messages=sum(count for (count,) in map(sqlite3.Cursor.fetchone, counts)),
        redacted=sum(1 for _ in _messages_of_runs(connection, found)),
        inbox=len(found.inbox),
        outbox=len(_outbox_rows(connection, found)),
        dedupe_keys=len(_dedupe_keys(connection, found)),
        open_runs=tuple(_open_runs(connection, found.inbox)),
    )


def _keys(connection: sqlite3.Connection, sessions: Iterable[int]) -> tuple[str, ...]:
    rows = [connection.execute("SELECT key FROM sessions WHERE id = ?", (one,)).fetchone() for one in sorted(sessions)]
    return tuple(key for (key,) in rows)


def _open_runs(connection: sqlite3.Connection, run_ids: Iterable[str]) -> Iterator[tuple[str, str]]:
    for run_id in run_ids:
        row = connection.execute(
            "SELECT s.key, i.run_id FROM inbox i JOIN sessions s ON s.id = i.session_id"
            " WHERE i.run_id = ? AND i.finished_at IS NULL",
            (run_id,),
        ).fetchone()
        if row is not None:
            yield row


def _messages_of_runs(connection: sqlite3.Connection, found: _Found) -> Iterator[tuple[int, str]]:
    """The rows and texts of what belongs to the person's runs in shared sessions."""
    for session in found.shared:
        rows = connection.execute("SELECT rowid, run_id, message FROM messages WHERE session_id = ?", (session,))
        yield from ((row_id, text) for row_id, run_id, text in rows if run_id in found.runs)


def _redacted(text: str) -> Message:
    message = from_json(text, Message)
    return Message(message.role, REDACTED, tool_call_id=message.tool_call_id, tool_name=message.tool_name)


def _dedupe_keys(connection: sqlite3.Connection, found: _Found) -> list[str]:
    runs = {*found.runs, *found.inbox}
    for session in found.owned:
        rows = connection.execute("SELECT DISTINCT run_id FROM messages WHERE session_id = ?", (session,))
        runs |= {run_id for (run_id,) in rows}
    return [key for key, run_id in connection.execute("SELECT key, run_id FROM dedupe_keys") if run_id in runs]


def _outbox_rows(connection: sqlite3.Connection, found: _Found) -> list[int]:
    """The rows of what goes to the person, and of answers to the person in chats of others."""
    runs = {*found.runs, *found.inbox}
    asked = {inbound.message_id for inbound in found.inbox.values() if inbound and inbound.message_id is not None}
    rows = connection.execute("SELECT seq, lane, run_id, outbound FROM outbox")
    return [
        seq
        for seq, lane, run_id, outbound in rows
        if run_id in runs
        or _is_lane_of(lane, found)
        or (lane in found.lanes and from_json(outbound, Outbound).reply_to in asked)
    ]


def _is_lane_of(lane: str, found: _Found) -> bool:
    """Whether a lane leads to the person alone. A private chat bears the id of whoever it leads to."""
    channel, _ = account_of(lane)
    return found.lanes.get(lane, False) or _is_one_of(channel, chat_of(lane).lower(), found.people)


def _ids(rows: Iterable[tuple[int]]) -> list[int]:
    return [session for (session,) in rows]
