"""The bodies of messages: to a chat, and to an agent."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen
from attrs.validators import and_, ge, le, matches_re, optional

from xopc.contracts.api.headers import IDEMPOTENCY_KEY
from xopc.contracts.convert import LIMITS, spelled
from xopc.contracts.limits import ID, NAME, Text
from xopc.contracts.settings.outbox import MAX_TTL_SECONDS
from xopc.contracts.transcript import NO_USAGE, Usage

CONTENT = Text(1, 100_000)
"""Checked with the message that the contract has for it."""
SESSION_PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9._:@-]{0,255}"


@frozen
class MessageRequest:
    """`POST /api/message`."""

    channel: str = field(validator=NAME)
    """The id of a channel, such as `telegram`."""
    chat_id: str | int = field(validator=ID, metadata=spelled("chat_id", "chatId"))
    """As the platform spells it; at most 256 characters."""
    content: str = field(metadata={LIMITS: CONTENT.limits})
    """Not blank; at most 100,000 characters."""
    account_id: str | None = field(default=None, validator=NAME)
    """Of the channel; its default account, or else its first."""
    thread_id: str | int | None = field(default=None, validator=ID)
    """Of the chat."""
    reply_to_message_id: str | int | None = field(default=None, validator=ID)
    """The platform's id of a message in the chat."""
    silent: bool = False
    """Without a notification, where the platform knows that."""
    idempotency_key: str | None = field(
        default=None, validator=IDEMPOTENCY_KEY, metadata=spelled("idempotency_key", "idempotencyKey")
    )
    """As the header `Idempotency-Key`."""
    ttl_seconds: int | None = field(default=None, validator=optional(and_(ge(1), le(MAX_TTL_SECONDS))))
    """It is sent within this time, or not at all; at most 30 days. Default: `outbox.ttlSeconds`."""


@frozen
class SyncRequest(MessageRequest):
    """`POST /api/message/sync`. `replyToMessageId`, `silent` and `ttlSeconds` say nothing here."""

    deliver: bool = True
    """The answer goes to the chat, too."""


@frozen
class MessageQueued:
    """The message is stored: it is delivered, or stands visibly in the dead letters."""

    status: str
    """Always `ok`."""
    message_id: str = field(metadata=spelled("message_id"))


@frozen
class MessageAnswered:
    """What the agent said."""

    status: str
    """`ok` or `aborted`."""
    reply: str
    """Empty where the agent chose to say nothing."""


class BusyPolicy(Enum):
    """What to do with a message to a session in which the agent is at work."""

    WAIT = "wait"
    REJECT = "reject"


@frozen
class AgentRequest:
    """`POST /api/agent`."""

    message: str = field(metadata={LIMITS: CONTENT.limits})
    """Not blank; at most 100,000 characters."""
    session: str | None = field(
        default=None,
        validator=optional(matches_re(SESSION_PATTERN)),
        metadata=spelled("session", "sessionKey", "chatId"),
    )
    """A name of the caller's own, or the whole key of a session. Default: `default`."""
    channel: str = field(default="webchat", validator=NAME)
    """The source segment of the key that a name becomes a part of."""
    new_session: bool = False
    """In a session of its own, whatever `session` says."""
    agent_id: str | None = field(default=None, validator=NAME)
    """Default: the default agent, or the one in the session's key."""
    model: str | None = field(default=None, validator=optional(matches_re(r"[^\s/]+/\S+")))
    """For this turn alone: `provider/model`."""
    on_busy: BusyPolicy = BusyPolicy.WAIT
    idempotency_key: str | None = field(
        default=None, validator=IDEMPOTENCY_KEY, metadata=spelled("idempotency_key", "idempotencyKey")
    )
    """As the header `Idempotency-Key`."""


@frozen
class AgentAnswer:
    """What the agent said."""

    status: str
    """`ok`, or `aborted`: then the reply is what there was of it."""
    reply: str
    session: str
    """As the caller named it."""
    session_key: str
    run_id: str
    usage: Usage
    model: str | None
    """Which answered."""


@frozen
class RunSummary:
    """How a run ended, in short."""

    status: str
    """`ok`, `aborted` or `error`."""
    summary: str
    """The reply, or what went wrong."""


@frozen
class AgentResult:
    """The last event of a run's stream."""

    payload: RunSummary
    status: str
    """`ok`, `aborted` or `error`."""
    reply: str
    session: str
    """As the caller named it; of a resumed stream the key."""
    session_key: str
    run_id: str
    usage: Usage = NO_USAGE
    model: str | None = None
    ok: bool = True
    """The stream is complete; `status` tells about the run."""


@frozen
class RunRequest:
    """`POST /api/agent/resume` and `POST /api/agent/abort`: a run, or else the one that a session is at."""

    run_id: str | None = field(default=None, validator=NAME)
    """Of the answer of `POST /api/agent`, or the first event of its stream."""
    session: str | None = field(
        default=None,
        validator=optional(matches_re(SESSION_PATTERN)),
        metadata=spelled("session", "sessionKey", "chatId"),
    )
    """As in `POST /api/agent`, where there is no `runId`: the run that runs in this session, or else the first that
    waits there. Default: `default`."""


@frozen
class AbortOutcome:
    """Whether there was something to stop."""

    aborted: bool
    """False where there was nothing to stop."""


@frozen
class RunAborted:
    """`POST /api/agent/abort`."""

    payload: AbortOutcome
    ok: bool = True
