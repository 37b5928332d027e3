"""Messages of the outbox as text."""

from __future__ import annotations

from xopc.cli.output import ago, one_line, without_controls
from xopc.contracts.api.outbox import OutboundMessage
from xopc.contracts.messages import OutboxState

MAX_ERROR_CHARS = 200
MAX_CONTENT_CHARS = 80

_STATES = {
    OutboxState.PENDING: "waits to be sent",
    OutboxState.INFLIGHT: "is being sent",
    OutboxState.SENT: "was sent",
    OutboxState.DEAD: "was given up",
    OutboxState.CANCELLED: "was taken back",
}


def summary(message: OutboundMessage) -> list[str]:
    """A message in a few lines, for a list."""
    lines = [
        f"{message.id}  {ago(message.created_at)}, {_attempts(message)}",
        f"   To: {one_line(_place(message), MAX_ERROR_CHARS)}",
        f"   Text: {one_line(message.content, MAX_CONTENT_CHARS)}",
    ]
    if message.last_error is not None:
        lines.append(f"   Error: {one_line(message.last_error, MAX_ERROR_CHARS)}{_kind(message)}")
    if message.waits_for is not None:
        lines.append(f"   Its account waits: {one_line(message.waits_for, MAX_ERROR_CHARS)}")
    if message.possible_duplicate:
        lines.append("   It may have arrived: the gateway or a connection ended while it was being sent.")
    return lines


def describe(message: OutboundMessage) -> list[str]:
    """All of a message."""
    facts = {
        "State": f"{message.state.value}: it {_STATES[message.state]}",
        "To": _place(message),
        "Accepted": f"{message.created_at} ({ago(message.created_at)})",
        "Settled": message.settled_at,
        "Expires": message.expires_at,
        "Attempts": str(message.attempts),
        "Next attempt": message.next_attempt_at,
        "Its account waits": message.waits_for,
        "Parts sent": str(message.parts_sent) if message.parts_sent else None,
        "Ids on the platform": ", ".join(message.platform_message_ids) or None,
        "Error": None if message.last_error is None else f"{message.last_error}{_kind(message)}",
        "May arrive twice": "yes" if message.possible_duplicate else None,
    }
    told = [f"{name}: {without_controls(fact)}" for name, fact in facts.items() if fact is not None]
    return [message.id, *told, "", without_controls(message.content)]


def _place(message: OutboundMessage) -> str:
    thread = f", thread {message.thread_id}" if message.thread_id is not None else ""
    return f"{message.channel}, account {message.account_id}, chat {message.chat_id}{thread}"


def _attempts(message: OutboundMessage) -> str:
    return f"{message.attempts} attempt{'' if message.attempts == 1 else 's'}"


def _kind(message: OutboundMessage) -> str:
    return f" ({message.error_class.value})" if message.error_class else ""
