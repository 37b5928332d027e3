"""Messages on their way in and out, and what became of one that was sent."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from attrs import field, frozen


class PeerKind(Enum):
    """What a message came from."""

    DM = "dm"
    """One person, on a messaging channel."""
    GROUP = "group"
    CHANNEL = "channel"
    DIRECT = "direct"
    """One person, over the console, the CLI or the API."""


@frozen
class Address:
    """A place on a channel. Messages to one address keep their order: it is a lane of the outbox."""

    channel: str
    account: str
    chat: str
    """As the platform spells it."""
    thread: str | None = None


@frozen
class Inbound:
    """A message that came in, and that nobody has answered yet."""

    address: Address
    peer_kind: PeerKind
    sender: str
    """The platform's id of whoever wrote it; for a direct chat usually the chat's own."""
    text: str
    dedupe_key: str
    """The same for each delivery of the same message, such as `telegram:default:update:4711`; unique for ever."""
    sender_name: str | None = None
    message_id: str | None = None
    """The platform's, to reply to."""


@frozen
class Outbound:
    """A message to send: one row of the outbox, and one or more parts on the platform."""

    address: Address
    text: str
    reply_to: str | None = None
    """The platform's id of the message that it answers."""
    silent: bool = False
    """Without a notification, where the platform knows that."""
    ttl_seconds: int | None = None
    """It is sent so long after it was stored, or not at all. None: as long as `outbox.ttlSeconds` says."""


@frozen
class Sent:
    """The platform took it."""

    message_id: str | None = None
    """The platform's."""


@frozen
class Retry:
    """It was not sent, and may be later: the network, a limit, a fault of the platform."""

    error: str
    after_seconds: float | None = None
    """What the platform asked to wait; None leaves the pause to the outbox."""
    whole_account: bool = False
    """The pause is the account's, not this lane's alone."""
    until_changed: bool = False
    """It is the settings of the channel that are wrong: the pause ends as well when they change."""


@frozen
class Failed:
    """It will never be sent: no such chat, blocked by the user, malformed."""

    error: str


@frozen
class Unknown:
    """It may have been sent: the connection broke between the request and its answer."""

    error: str


Delivery: TypeAlias = Sent | Retry | Failed | Unknown


class OutboxState(Enum):
    """Where a message of the outbox is."""

    PENDING = "pending"
    INFLIGHT = "inflight"
    """The platform is being told; after a crash it is not known whether it was."""
    SENT = "sent"
    DEAD = "dead"
    """Given up, with its error; kept to be looked at and retried by hand."""
    CANCELLED = "cancelled"
    """Taken back before it was sent; kept for a day."""


class ErrorClass(Enum):
    """What kind of error kept a message from being sent."""

    TRANSIENT = "transient"
    """It may go away by itself: the network, a limit, a channel that is not set up."""
    PERMANENT = "permanent"
    """It stays as long as nobody mends it: no such chat, blocked by the user, an unknown channel."""
    UNKNOWN = "unknown"
    """It may have been sent."""
    EXPIRED = "expired"
    """Its time to live is over."""


@frozen
class OutboxRow:
    """One message of the outbox."""

    id: str
    """`msg_` and a UUID, whose order is that of time."""
    outbound: Outbound
    state: OutboxState
    created_at: float
    """Seconds since the epoch, as all times of this class."""
    attempts: int = 0
    next_attempt_at: float = 0.0
    parts_sent: int = 0
    """Of a message in several parts: how many need not be sent again."""
    last_error: str | None = None
    platform_ids: tuple[str, ...] = ()
    possible_duplicate: bool = False
    """It was in flight when a process died, or the connection broke before the platform's answer."""
    error_class: ErrorClass | None = None
    """Of the last error."""
    retried_at: float | None = None
    """When it was last taken out of the dead letters, to be sent again."""
    pause_seconds: float = 0.0
    """The pause that `next_attempt_at` is the end of."""
    unclear: int = 0
    """How many attempts ended without anybody knowing whether they arrived."""
    settled_at: float | None = None
    """When it was sent, given up or cancelled."""
    run_id: str | None = None
    """Of the run whose answer it is."""

    @property
    def queued_at(self) -> float:
        """Since when its time to live counts."""
        return self.created_at if self.retried_at is None else self.retried_at


class InboxState(Enum):
    """Where a message is that has no answer."""

    WAITING = "waiting"
    """Its turn has not begun, or stopped and goes on later."""
    RUNNING = "running"
    PARKED = "parked"
    """Given up, with its error; kept to be looked at and retried by hand."""


@frozen
class InboxRow:
    """One message of the inbox. Times are seconds since the epoch."""

    run_id: str
    session_key: str
    inbound: Inbound | None
    """None where it cannot be read."""
    state: InboxState
    deliver: bool
    """Its answer goes to the chat that it came from."""
    accepted_at: float
    attempts: int = 0
    last_error: str | None = None
    parked_at: float | None = None
    seq: int = field(default=0, eq=False)
    """Its place among all messages."""


@frozen
class InboxCounts:
    """How many messages are in each state."""

    waiting: int = 0
    running: int = 0
    parked: int = 0
    """Given up: `GET /api/inbox` lists them."""


NO_MESSAGES = InboxCounts()
