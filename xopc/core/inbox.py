"""The way in: a message is stored with its session and its run, in one commit, and then its session is woken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from uuid import uuid4

from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.keys import SessionKey
from xopc.contracts.messages import Inbound
from xopc.core.sessions.sessions import NOT_BEGUN, Sessions
from xopc.storage.path.base import Acceptance, Accepted, Cursor, PathStorage

MAX_WAITING = 100
"""Messages of one session that wait for their turn, before callers of the API are sent away."""


class Inbox:
    """The door that all messages come in by. What it has accepted is answered, or visibly not."""

    def __init__(self, storage: PathStorage, route: Callable[[Inbound], SessionKey], sessions: Sessions) -> None:
        """`route` gives the session of a message from a channel."""
        self._storage = storage
        self._route = route
        self._sessions = sessions
        self._entering: Counter[str] = Counter()

    async def accept(self, inbounds: Sequence[Inbound], cursor: Cursor | None = None) -> list[Accepted]:
        """Store what a channel has read, and how far it has read, in one commit.

        Never refuses: the platform holds what was not taken, and gives it again.

        Raises:
            StorageError: nothing of it was stored.
        """
        items = [Acceptance(inbound, str(self._route(inbound)), str(uuid4())) for inbound in inbounds]
        return self._admit(items, await self._storage.accept(items, cursor))

    async def submit(self, acceptance: Acceptance) -> Accepted:
        """Store one message of a caller, who named its session and its run. A request that is known has its first run,
        however things stand.

        Raises:
            XopcError: UNAVAILABLE: too many wait in the session, or the gateway restarts. INVALID_REQUEST: the key of
                the session is none. CONFLICT: see `known`.
            StorageError: it was not stored.
        """
        if (known := await self.known(acceptance)) is not None:
            return Accepted(known, duplicate=True)
        key = acceptance.session_key
        if self._sessions.is_draining:
            raise XopcError(Failure.UNAVAILABLE, "The gateway is about to stop or to restart. Send the message again.")
        if self._sessions.waiting(key) + self._entering[key] >= MAX_WAITING:
            problem = f"{MAX_WAITING} messages wait in the session {key} already. Send this one again later."
            raise XopcError(Failure.UNAVAILABLE, problem)
        self._entering[key] += 1
        try:
            accepted = self._admit([acceptance], await self._storage.accept([acceptance]))[0]
        finally:
            self._entering[key] -= 1
            if not self._entering[key]:
                del self._entering[key]
        is_late = self._sessions.is_draining and acceptance.bound  # the drain began while it was stored
        if is_late and await self._sessions.withdraw(key, acceptance.run_id):
            raise XopcError(Failure.UNAVAILABLE, NOT_BEGUN)
        return accepted

    async def known(self, acceptance: Acceptance) -> str | None:
        """The run that a caller's request has already; None where it is new, or he gave it no key.

        Raises:
            XopcError: CONFLICT: he used the key for another request.
            StorageError: that could not be read.
        """
        if acceptance.request is None:
            return None
        return await self._storage.known_run(acceptance.inbound.dedupe_key, acceptance.request)

    def _admit(self, items: Sequence[Acceptance], accepted: list[Accepted]) -> list[Accepted]:
        for item, outcome in zip(items, accepted, strict=True):
            if not outcome.duplicate:
                self._sessions.admit(item.session_key, item.run_id, bound=item.bound)
        return accepted
