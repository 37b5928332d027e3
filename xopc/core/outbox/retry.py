"""What to do before and after an attempt to send a message: pure functions of what happened."""

from __future__ import annotations

from attrs import evolve

from xopc.contracts.messages import ErrorClass, Failed, OutboxRow, OutboxState, Retry, Unknown
from xopc.storage.path.outbox import Attempt, Pause

MAX_UNCLEAR = 2
"""Attempts of which nobody knows whether they arrived, on a platform that would show each of them."""
MAX_SUSPECT_ATTEMPTS = 8
"""On one that would not: processes that died while they sent the message. It may be what kills them."""
FIRST_SECONDS = 1.0
MOST_SECONDS = 300.0
STORAGE_MOST_SECONDS = 30.0
"""The longest pause before the storage is tried again."""
JITTER = 0.2
"""Part of the pause, up and down, so that what failed together does not come back together."""


def delay_seconds(failures: int, jitter: float, most: float = MOST_SECONDS) -> float:
    """The pause after so many failures in a row: 1, 2, 4 … seconds up to `most`; `jitter` is from -1 to 1."""
    doublings = min(max(failures, 1) - 1, 16)
    return min(FIRST_SECONDS * 2**doublings, most) * (1 + JITTER * jitter)


def before_attempt(row: OutboxRow, age: float, ttl_seconds: float, *, is_idempotent: bool) -> Attempt | None:
    """The end of a message that is not to be tried any more; None for any other.

    Args:
        row: as it is now.
        age: seconds since `queued_at`.
        ttl_seconds: in which it is sent, or not at all.
        is_idempotent: whether its channel sends the same message once, however often it is told to.
    """
    if age >= ttl_seconds:
        so_far = f" The last error: {row.last_error}" if row.last_error else ""
        error = f"It was not sent within {span(ttl_seconds)}, so it is not sent any more.{so_far}"
        return Attempt(OutboxState.DEAD, error, ErrorClass.EXPIRED)
    if row.unclear >= (MAX_SUSPECT_ATTEMPTS if is_idempotent else MAX_UNCLEAR):
        error = f"It may have been sent already: {row.unclear} attempts ended without an answer."
        return Attempt(OutboxState.DEAD, error, ErrorClass.UNKNOWN)
    return None


def after_attempt(
    row: OutboxRow,
    delivery: Retry | Failed | Unknown,
    *,
    age: float,
    ttl_seconds: float,
    now: float,
    jitter: float,
    is_idempotent: bool = False,
    account_pause: Pause | None = None,
) -> Attempt:
    """What becomes of a message whose attempt to be sent ended like this: it waits, or it is dead.

    Nothing but its time to live ends the attempts of a message that could not be sent: eight of them, say, would be
    over after two minutes without a network.

    Args:
        row: as it was before the attempt.
        age, ttl_seconds, is_idempotent: as in `before_attempt`.
        now: in seconds since the epoch.
        jitter: a random number from -1 to 1.
        account_pause: what the platform asked for beside it.
    """
    if isinstance(delivery, Failed):
        return Attempt(OutboxState.DEAD, delivery.error, ErrorClass.PERMANENT)
    is_unclear = isinstance(delivery, Unknown) and not is_idempotent
    if is_unclear and row.unclear + 1 >= MAX_UNCLEAR:
        error = f"It may have been sent already, and is not sent a third time: {delivery.error}"
        return Attempt(OutboxState.DEAD, error, ErrorClass.UNKNOWN, possible_duplicate=True, is_unclear=True)
    pause = _pause(row, delivery, jitter)
    attempt = Attempt(
        OutboxState.PENDING,
        delivery.error,
        ErrorClass.UNKNOWN if isinstance(delivery, Unknown) else ErrorClass.TRANSIENT,
        next_attempt_at=now + pause if pause else 0.0,
        pause_seconds=pause,
        possible_duplicate=is_unclear,
        is_unclear=is_unclear,
        account_pause=account_pause,
    )
    if age + pause < ttl_seconds:
        return attempt
    error = f"Given up, since it was to be sent within {span(ttl_seconds)}: {delivery.error}"
    is_over = {"error": error, "error_class": ErrorClass.EXPIRED, "next_attempt_at": 0.0, "pause_seconds": 0.0}
    return evolve(attempt, state=OutboxState.DEAD, **is_over)


def _pause(row: OutboxRow, delivery: Retry | Unknown, jitter: float) -> float:
    if isinstance(delivery, Retry) and delivery.after_seconds is not None:
        # What waits for other settings waits with its account, and a new process may try at once.
        waits_for_account = delivery.until_changed and delivery.whole_account
        return 0.0 if waits_for_account else max(delivery.after_seconds, 0.0)
    return delay_seconds(row.attempts + 1, jitter)


def span(seconds: float) -> str:
    """A time to live in the largest unit that it is a whole number of: `24 hours`, `90 seconds`."""
    for size, unit in ((3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}{'' if seconds == size else 's'}"
    return f"{seconds:g} second{'' if seconds == 1 else 's'}"
