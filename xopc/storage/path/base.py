"""The transactions of the message path, and the values that they take and give.

    accept ──▶ claim ──▶ step … step ──▶ finish ──▶ (outbox) inflight ──▶ part … part ──▶ settle

Each is one commit. Between any two of them the process may die, and the next one goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from xopc.contracts.messages import Inbound, Outbound
from xopc.contracts.transcript import NO_USAGE, Entry, Message, RunResult, RunState, Usage
from xopc.storage.path.forget import ForgetStorage
from xopc.storage.path.heartbeat import HeartbeatStorage
from xopc.storage.path.inbox import ParkedStorage
from xopc.storage.path.outbox import OutboxStorage
from xopc.storage.path.sessions import SessionStorage

API_KEY = "api:key:"
"""Begins the dedupe key of what a caller of the API may ask for again; his own key follows."""


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
    request: str | None = None
    """A hash of all that the caller asked for, where his key is the dedupe key: with it he may ask for nothing else."""


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
    attempts: int = 0
    """How many times it stopped before, because its process died or its worker failed."""
    last_error: str | None = None
    """What the last of them met."""


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
    parked: bool = False
    """It was given up: its message stays in the inbox, to be looked at and retried by hand."""
    once_a_day: bool = False
    """An answer that was told at its place within 24 hours is left out: nobody asked for it."""


@frozen
class Head:
    """The oldest message of a session that has no end."""

    attempts: int
    is_held: bool
    """An older message of the same chat, which belongs to another session, is to be answered first."""


@frozen
class Unclaimed:
    """A message that has no end, and that nobody has claimed."""

    place: int
    """Among all messages; the first has a higher one than 0."""
    session_key: str
    run_id: str
    bound: bool


@frozen
class FailedAttempt:
    """What became of a message when an attempt at its turn had failed."""

    run_id: str
    attempts: int


class InboxStorage(Protocol):
    """The transactions on the inbox and its runs. Raises `StorageError` where nothing was stored."""

    async def accept(self, items: Sequence[Acceptance], cursor: Cursor | None = None) -> list[Accepted]:
        """Store messages, and the cursor with them. A known dedupe key is a duplicate, and changes nothing.

        Makes the session where there is none. From here on each message is answered, or visibly not.

        Raises:
            XopcError: INVALID_REQUEST: something that is no session key. CONFLICT: a caller's key that was used for
                another request. Nothing is stored.
        """
        ...

    async def known_run(self, dedupe_key: str, request: str) -> str | None:
        """The run that a caller's request has already; None where it is new.

        Raises:
            XopcError: CONFLICT: the key was used for another request.
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
        free what they had claimed, which is an attempt that failed, and give the keys of all sessions that have
        messages to answer. Harmless at the start of a later generation: what this process has accepted and claimed is
        left as it is."""
        ...

    async def unclaimed(self, after: int, limit: int) -> list[Unclaimed]:
        """So many of the messages that have no end and that nobody has claimed, oldest first, behind this place."""
        ...

    async def release(self, boot_id: str) -> None:
        """At the end of a generation: what it has claimed is free, and no attempt has failed. What is bound to its
        requests is closed as `interrupted`: they have been answered."""
        ...

    async def head(self, session_key: str) -> Head | None:
        """What a claim would give, if there is anything. One that is held must not be claimed yet."""
        ...

    async def fail_attempt(self, session_key: str, run_id: str | None, error: str) -> FailedAttempt | None:
        """The turn of a message could not be run, or not be claimed: that of the run, or of the oldest message. It can
        be claimed again. None where it has ended."""
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


class PathStorage(
    InboxStorage, ParkedStorage, SessionStorage, ForgetStorage, OutboxStorage, HeartbeatStorage, Protocol
):
    """What the message path uses of the storage. Raises `StorageError` where nothing was stored."""

    async def prune(self, now: float) -> None:
        """Forget what was sent or cancelled a day ago, dead letters and parked messages beyond 30 days and 10,000, and
        other done inbox rows after a day (the dedupe keys of platforms stay 7 days). A few rows in each commit: nobody
        waits for all of them."""
        ...
