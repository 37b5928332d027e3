"""The transactions of the message path, and the values that they take and give.

    accept ──▶ claim ──▶ step … step ──▶ finish ──▶ (outbox) inflight ──▶ part … part ──▶ settle

Each is one commit. Between any two of them the process may die, and the next one goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from xopc.contracts.messages import Inbound, Outbound, OutboxRow, OutboxState
from xopc.contracts.transcript import NO_USAGE, Entry, Message, RunResult, RunState, Usage


@frozen
class Acceptance:
    """A message to accept: what came in, and where it goes."""

    inbound: Inbound
    session_key: str
    run_id: str
    """Names the turn that will answer it; a UUID of the caller's."""
    bound: bool = False
    """Somebody waits for the answer on a connection, and nobody else does: it dies with the process that it was
    claimed by, unless `keep` was called."""
    deliver: bool = True
    """The answer goes to the outbox, to the address that the message came from."""
    model: str | None = None
    """For this turn alone; None leaves it to the session and the agent."""


@frozen
class Accepted:
    """What became of an acceptance."""

    run_id: str
    """Of a duplicate: the first one's."""
    duplicate: bool


@frozen
class Cursor:
    """How far an account of a channel has read, in the platform's own terms. Moves in the commit of what was read."""

    channel: str
    account: str
    value: str


@frozen
class Turn:
    """A turn to run, or to go on with."""

    run_id: str
    session_key: str
    inbound: Inbound
    deliver: bool
    bound: bool
    model: str | None
    steps: tuple[Entry, ...]
    """Of this run: the user's message, and what was done in answer to it, perhaps by a process that died."""


@frozen
class TurnEnd:
    """The end of a turn, for one commit: with its last message, the answers to send, and the inbox row done."""

    state: RunState
    message: Message | None
    """The last of the assistant; None where there is none to remember."""
    outbox: tuple[Outbound, ...] = ()
    model: str | None = None
    usage: Usage = NO_USAGE
    error: str | None = None
    timed_out: bool = False


@frozen
class SessionInfo:
    """A session without its messages. Times are seconds since the epoch."""

    key: str
    agent_id: str
    source: str
    account_id: str
    peer_kind: str
    peer_id: str
    """As the platform spells it."""
    thread_id: str | None
    created_at: float
    updated_at: float
    message_count: int
    estimated_tokens: int
    name: str | None = None
    model: str | None = None
    """Chosen for this session; None leaves it to the agent."""


@frozen
class SessionQuery:
    """Which sessions, in which order."""

    channel: str | None = None
    agent_id: str | None = None
    search: str | None = None
    """In key and name, ignoring case."""
    sort_by: str = "updatedAt"
    """updatedAt, createdAt or messageCount."""
    descending: bool = True
    limit: int = 50
    offset: int = 0


@frozen
class Attempt:
    """What one attempt to send left behind."""

    state: OutboxState
    error: str | None = None
    next_attempt_at: float = 0.0
    """Of a pending one: seconds since the epoch."""
    possible_duplicate: bool = False
    """It may have been sent. Once that was so, it stays so."""


class PathStorage(Protocol):
    """What the message path uses of the storage. Raises `StorageError` where nothing was stored."""

    # ------------------------------------------------------------------ inbox

    async def accept(self, items: Sequence[Acceptance], cursor: Cursor | None = None) -> list[Accepted]:
        """Store messages, and the cursor with them. A known dedupe key is a duplicate, and changes nothing.

        Makes the session where there is none. From here on each message is answered, or visibly not.

        Raises:
            XopcError: INVALID_REQUEST: something that is no session key. Nothing is stored.
        """
        ...

    async def cursor(self, channel: str, account: str) -> str | None:
        """Where to read on."""
        ...

    async def keep(self, run_id: str) -> None:
        """A bound message shall outlive its process: its caller was told the run id, and may ask for it again."""
        ...

    async def withdraw(self, run_id: str) -> bool:
        """Forget a bound message that was not claimed yet, and its dedupe key; False where it is too late: it was
        claimed, kept, or has ended."""
        ...

    async def recover(self, boot_id: str) -> list[str]:
        """At the start of a process: close as `interrupted` what was bound to requests of processes that are gone,
        free what they had claimed, and give the keys of all sessions that have messages to answer. Harmless at the
        start of a later generation: what this process has accepted and claimed is left as it is."""
        ...

    async def claim(self, session_key: str, boot_id: str) -> Turn | None:
        """The oldest message of the session that has no end yet; None where another boot has it. The first claim
        starts its run and appends the user's message to the transcript; a later one gives the steps that are there."""
        ...

    async def step(self, run_id: str, message: Message) -> Entry:
        """Append what a running turn did: a message of the assistant (with the calls of tools that it will run),
        or the result of a tool.

        Raises:
            StorageError: it does not run: it was never claimed, has ended, or was deleted with its session.
        """
        ...

    async def finish(self, run_id: str, end: TurnEnd) -> list[str]:
        """End a turn: its last message, its outbox rows, its inbox row, together or not at all. The rows' ids.

        A run that has ended, or was deleted with its session, is left as it is: nothing is stored, and it gives none.
        One that was never claimed may be ended too, such as one aborted while it waited.
        """
        ...

    async def result(self, run_id: str) -> RunResult | None:
        """How a run stands, or ended; None for one that was never accepted, or ended more than a day ago. Not started
        yet: `running`. Without a last message, the reply is what the agent said last."""
        ...

    # --------------------------------------------------------------- sessions

    async def create_session(self, session_key: str, inbound_peer: str) -> SessionInfo:
        """The session of this key, made where there is none; `inbound_peer` is its peer as the platform spells it.

        Raises:
            XopcError: INVALID_REQUEST: it is no session key.
        """
        ...

    async def session(self, session_key: str) -> SessionInfo | None: ...

    async def sessions(self, query: SessionQuery) -> tuple[list[SessionInfo], int]:
        """A page of sessions, and how many there are in all.

        Raises:
            XopcError: INVALID_REQUEST: it cannot be sorted by that.
        """
        ...

    async def empty_session(self, source: str, agent_id: str) -> SessionInfo | None:
        """The newest session of this source and agent without messages, and without any that waits."""
        ...

    async def delete_session(self, session_key: str) -> bool:
        """Forget a session, its messages, runs and inbox rows; its outbox rows stay. False where there is none."""
        ...

    async def reset_session(self, session_key: str) -> None:
        """Start the history anew: what was said before is kept, but no longer in the window."""
        ...

    async def set_model(self, session_key: str, model: str | None) -> None: ...

    async def messages(self, session_key: str, limit: int, before: int | None = None) -> list[Entry]:
        """The newest messages before a seq, oldest first."""
        ...

    async def history(self, session_key: str, limit: int) -> list[Entry]:
        """The newest messages since the last reset, oldest first. Begins with no result of a tool: its call would lie
        outside. A call without its result may be among them, where a run was stopped in between."""
        ...

    # ----------------------------------------------------------------- outbox

    async def enqueue(self, outbound: Outbound, idempotency_key: str | None = None) -> tuple[str, bool]:
        """Store a message to send: its id, and whether the key was known already (within 24 h) for the same message.

        Raises:
            XopcError: CONFLICT: the key was used for another message.
        """
        ...

    async def outbox_heads(self) -> list[OutboxRow]:
        """The oldest unsent message of each lane."""
        ...

    async def outbox_head(self, lane: str) -> OutboxRow | None:
        """The oldest unsent message of one lane (`lane_of` its address)."""
        ...

    async def recover_outbox(self) -> int:
        """At the start of a process: what was in flight is pending again, marked as a possible duplicate. How many."""
        ...

    async def begin_attempt(self, row_id: str) -> None:
        """In flight, one attempt more.

        Raises:
            StorageError: it is not to be sent: sent already, dead, or deleted.
        """
        ...

    async def record_part(self, row_id: str, parts_sent: int, platform_id: str | None) -> None:
        """One more part of it was sent."""
        ...

    async def settle(self, row_id: str, attempt: Attempt) -> None:
        """End an attempt, or give up without one. What is sent or dead already stays as it is."""
        ...

    async def outbox(self, state: OutboxState, limit: int, offset: int = 0) -> list[OutboxRow]:
        """Rows in a state, newest first."""
        ...

    async def outbox_row(self, row_id: str) -> OutboxRow | None: ...

    async def retry_dead(self, row_id: str) -> bool:
        """A dead message is pending again, in its old place in the lane, without attempts; its parts that were sent
        stay sent. False where there is no such dead one."""
        ...

    async def delete_dead(self, row_id: str) -> bool:
        """Forget a dead message, and its idempotency key; False where there is no such dead one."""
        ...

    async def prune(self, now: float) -> None:
        """Forget what was sent a day ago, dead letters beyond 30 days and 10,000, and done inbox rows after a day
        (their dedupe keys stay 7 days)."""
        ...


def lane_of(channel: str, account: str, chat: str) -> str:
    """Names a lane. The separator occurs in no channel's name and no account's."""
    return f"{channel}\x1f{account}\x1f{chat}"
