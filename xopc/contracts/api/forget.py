"""The bodies of `POST /api/sessions/forget`."""

from __future__ import annotations

from attrs import field, frozen

from xopc.contracts.limits import ID


@frozen
class ForgetPerson:
    """`POST /api/sessions/forget`."""

    person: str = field(validator=ID)
    """`<channel>:<id>`, such as `telegram:123456789`, or a name in `session.identityLinks`, which is all of its ids."""
    dry_run: bool = True
    """Only count; with false all of it goes."""


@frozen
class Forgotten:
    """What was forgotten, or would be."""

    dry_run: bool
    people: tuple[str, ...]
    """Who was meant: `<channel>:<id>`, or a bare id on any channel."""
    sessions: tuple[str, ...]
    """The keys of those that go as a whole: nobody else has written there."""
    shared_sessions: tuple[str, ...]
    """The keys of those in which others write, too: the messages of the person are redacted, and what was answered."""
    messages: int
    """In the sessions that go."""
    redacted_messages: int
    inbox: int
    """Messages that wait for an answer, or were answered within a day."""
    outbox: int
    """Messages to the person, and answers in groups, that wait or were sent within a day, and dead letters."""
    dedupe_keys: int
    aborted_runs: int
    """Turns that ran or waited."""
