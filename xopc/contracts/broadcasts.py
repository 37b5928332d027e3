"""The broadcast events: each type with what its `data` holds.

A type that is published stands here, and in the table of `GET /api/events` in docs/reference/api.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from xopc.contracts.cron import RunStatus
from xopc.contracts.limits import SOMETIMES
from xopc.contracts.messages import ErrorClass


@frozen
class AgentStream:
    """`agent.stream`: an event of a run."""

    session_key: str
    run_id: str
    event: dict[str, Any]
    """As in the run's own stream."""


@frozen
class MessageSent:
    """`message.sent`: a channel has taken a message."""

    channel: str
    account_id: str
    chat_id: str
    message_id: str
    platform_message_ids: tuple[str, ...]
    """One for each part that it was sent in."""
    possible_duplicate: bool
    """It may have been sent before, too."""


@frozen
class MessageFailed:
    """`message.failed`: a message became a dead letter."""

    channel: str
    account_id: str
    chat_id: str
    message_id: str
    error: str
    error_class: ErrorClass | None
    possible_duplicate: bool
    """It may have been sent all the same."""


@frozen
class MessageParked:
    """`message.parked`: a message could not be answered, and was given up."""

    session_key: str
    run_id: str
    error: str


@frozen
class SessionUpdated:
    """`session.updated`: a session was made or changed, or a turn of it began or ended."""

    key: str
    name: str | None = field(default=None, metadata=SOMETIMES)
    """There where it changed."""
    tags: tuple[str, ...] = field(default=(), metadata=SOMETIMES)
    """There where they changed."""


@frozen
class SessionGone:
    """`session.deleted`: a session and its messages are gone."""

    key: str


@frozen
class CronRun:
    """`cron.run`: a run of a job has begun, or ended."""

    job_id: str
    status: RunStatus


@frozen
class ChannelState:
    """One channel of `channels.status`."""

    name: str
    enabled: bool
    connected: bool
    """Whether all of its accounts are that are enabled."""


@frozen
class ChannelsStatus:
    """`channels.status`: all channels, when they have started or one was started anew."""

    channels: tuple[ChannelState, ...]


@frozen
class ConfigReload:
    """`config.reload`: a section of the configuration changed."""

    section: str
    requires_restart: bool = field(default=False, metadata=SOMETIMES)
    """There, and true, where not all of it is in force yet."""


@frozen
class ModelsReload:
    """`models-json.reloaded`: `models.json` was read again."""

    model_count: int
    """The models that are known by name now, with the built-in one."""
    error: str | None = field(default=None, metadata=SOMETIMES)
    """There where nothing of the file is used: why."""


BROADCASTS: Mapping[str, type[object]] = {
    "agent.stream": AgentStream,
    "message.sent": MessageSent,
    "message.failed": MessageFailed,
    "message.parked": MessageParked,
    "session.updated": SessionUpdated,
    "session.deleted": SessionGone,
    "cron.run": CronRun,
    "channels.status": ChannelsStatus,
    "config.reload": ConfigReload,
    "models-json.reloaded": ModelsReload,
}
"""Type → class of its `data`."""
