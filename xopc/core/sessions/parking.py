"""When a message is given up, and what is said then: pure.

A message that takes its process down would do so for ever, for each process begins with what the last one had left. And
one whose turn cannot be run at all would keep all others of its session waiting. So attempts are counted, and after
`MAX_ATTEMPTS` the message is parked: it stays in the inbox with its error, and its session goes on without it.

All turns that run when a process dies count an attempt, though only one of them may be to blame. Therefore the last
attempt is made alone: no other last attempt is made beside it, so that those which are not to blame are not parked.
"""

from __future__ import annotations

from xopc.contracts.messages import Outbound, PeerKind
from xopc.contracts.transcript import RunState
from xopc.core.heartbeat.rules import is_beat
from xopc.storage.path.base import Head, Turn, TurnEnd

MAX_ATTEMPTS = 3

APOLOGY = f"Sorry, I could not answer this. I began {MAX_ATTEMPTS} times, and something went wrong inside each time."
"""To the chat that the message came from."""


def is_last_attempt(head: Head) -> bool:
    """Whether one failure more has the message parked."""
    return head.attempts == MAX_ATTEMPTS - 1


def is_given_up(turn: Turn) -> bool:
    """Whether a turn is not to be run any more."""
    return turn.attempts >= MAX_ATTEMPTS


def parked(turn: Turn) -> TurnEnd:
    """The end of a turn that is given up, and a word to the chat that waits for its answer. For a beat's none does."""
    inbound = turn.inbound
    is_shared = inbound.peer_kind in (PeerKind.GROUP, PeerKind.CHANNEL)
    told = Outbound(inbound.address, APOLOGY, reply_to=inbound.message_id if is_shared else None)
    return parked_untold(turn.run_id, turn.last_error, (told,) if turn.deliver and not is_beat(turn) else ())


def parked_untold(run_id: str, error: str | None, outbox: tuple[Outbound, ...] = ()) -> TurnEnd:
    """The same of a message that cannot even be read, so that nobody knows whom to tell."""
    why = error or "Nobody knows why."
    message = f"Given up after {MAX_ATTEMPTS} attempts: {why} To try it again: xopc inbox retry {run_id}"
    return TurnEnd(RunState.FAILED, None, outbox, error=message, parked=True)
