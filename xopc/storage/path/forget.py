"""Forgetting a person, in the storage: the values and the transactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

REDACTED = "[forgotten]"
"""What stands in place of a message that was forgotten among those of others."""


@frozen
class Person:
    """Somebody, by an id of a platform."""

    id: str
    """In lower case."""
    channel: str | None = None
    """None: on whichever channel."""


@frozen
class Traces:
    """What there is of a person, or was."""

    sessions: tuple[str, ...]
    """The keys of those in which nobody else has written: they go as a whole."""
    shared: tuple[str, ...]
    """The keys of the others, groups above all: there, the person's messages are redacted, and what was answered."""
    messages: int
    """In the sessions that go."""
    redacted: int
    """Messages in shared sessions."""
    inbox: int
    """Messages that wait, or were answered within a day."""
    outbox: int
    """Messages to the person, and answers in groups, that are to be sent or were sent within a day."""
    dedupe_keys: int
    open_runs: tuple[tuple[str, str], ...]
    """The session and the run of what is not answered yet."""


class ForgetStorage(Protocol):
    """The transactions that forget people. Raises `StorageError` where nothing was stored."""

    async def traces(self, people: Sequence[Person], names: Sequence[str]) -> Traces:
        """What `forget` would forget. A session of a name is one whose key the identity links gave that name."""
        ...

    async def forget(self, people: Sequence[Person], names: Sequence[str]) -> Traces:
        """Forget all of it, or nothing, and tell what it was. What the database held of it is overwritten."""
        ...
