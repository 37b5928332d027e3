"""What to do after an attempt to send a message that did not work: a pure function of what happened."""

from __future__ import annotations

from xopc.contracts.messages import Failed, OutboxRow, OutboxState, Retry, Unknown
from xopc.storage.path_outbox import Attempt

MAX_AGE_SECONDS = 24 * 3600.0
"""No attempt is planned for later than this after the message was accepted. Nothing else ends the attempts of a message
that could not be sent: eight of them, say, would be over after two minutes without a network."""
MAX_SUSPECT_ATTEMPTS = 8
"""Of a message that was in flight when a process died: it may be what kills them."""
FIRST_SECONDS = 1.0
MOST_SECONDS = 300.0
STORAGE_MOST_SECONDS = 30.0
"""The longest pause before the storage is tried again."""
JITTER = 0.2
"""Part of the pause, up and down, so that what failed together does not come back together."""


LONGEST_PAUSE_SECONDS = MOST_SECONDS * (1 + JITTER)
"""Of the outbox's own accord. A platform that asks for a longer one asks the next process anew."""


def delay_seconds(failures: int, jitter: float, most: float = MOST_SECONDS) -> float:
    """The pause after so many failures in a row: 1, 2, 4 … seconds up to `most`; `jitter` is from -1 to 1."""
    doublings = min(max(failures, 1) - 1, 16)
    return min(FIRST_SECONDS * 2**doublings, most) * (1 + JITTER * jitter)


def after_attempt(row: OutboxRow, delivery: Retry | Failed | Unknown, now: float, jitter: float) -> Attempt:
    """What becomes of a message whose attempt to be sent ended like this: it waits, or it is dead.

    Args:
        row: as it was before the attempt.
        now: in seconds since the epoch.
        jitter: a random number from -1 to 1.
    """
    if isinstance(delivery, Failed):
        return Attempt(OutboxState.DEAD, delivery.error)
    if isinstance(delivery, Unknown) and row.possible_duplicate:
        error = f"It may have been sent already, and is not sent a third time: {delivery.error}"
        return Attempt(OutboxState.DEAD, error, possible_duplicate=True)
    pause = delay_seconds(row.attempts + 1, jitter)
    if isinstance(delivery, Retry) and delivery.after_seconds is not None:
        pause = max(delivery.after_seconds, 0.0)
    is_unknown = isinstance(delivery, Unknown)
    if now + pause - row.created_at > MAX_AGE_SECONDS:
        error = f"Given up {MAX_AGE_SECONDS / 3600:.0f} hours after it was accepted: {delivery.error}"
        return Attempt(OutboxState.DEAD, error, possible_duplicate=is_unknown)
    return Attempt(OutboxState.PENDING, delivery.error, now + pause, possible_duplicate=is_unknown)
