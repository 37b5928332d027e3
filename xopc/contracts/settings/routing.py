"""`session` and `bindings` in the configuration file: which agent answers a message, and in which session."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen
from attrs.validators import ge, optional

from xopc.contracts.messages import PeerKind


class DmScope(Enum):
    """Which private chats of an agent share a session."""

    MAIN = "main"
    """All of them."""
    PER_PEER = "per-peer"
    """Those of one person, on whichever channel."""
    PER_CHANNEL_PEER = "per-channel-peer"
    """Those of one person on one channel."""
    PER_ACCOUNT_CHANNEL_PEER = "per-account-channel-peer"
    """Those of one person with one account of a channel."""


def _are_links(_: object, __: object, links: dict[str, tuple[str, ...]]) -> None:
    if not all(name.strip() for name in links):
        raise ValueError("holds a person without a name")
    if not all(peer.strip() for peers in links.values() for peer in peers):
        raise ValueError('holds an empty id: write them as "telegram:123456789"')


MIN_PRUNE_MS = 60_000


@frozen
class SessionRetention:
    """`session.storage`: which sessions are forgotten by themselves, with their messages. None that is archived or
    pinned, or has a message that waits."""

    prune_after_ms: int | None = field(default=None, validator=optional(ge(MIN_PRUNE_MS)))
    """Those in which nothing was said for so long. Default: none."""
    max_entries: int | None = field(default=None, validator=optional(ge(1)))
    """All but so many, the last used. Default: none."""


@frozen
class SessionSettings:
    """`session`: how private chats become sessions."""

    dm_scope: DmScope = DmScope.MAIN
    identity_links: dict[str, tuple[str, ...]] = field(factory=dict[str, tuple[str, ...]], validator=_are_links)
    """The ids of one person on several channels, by a name of your own."""
    storage: SessionRetention = SessionRetention()


@frozen
class BindingMatch:
    """`bindings[].match`: which messages. All that is said must hold."""

    channel: str
    account_id: str | None = None
    """`*` stands for any characters."""
    peer_kind: PeerKind | None = None
    peer_id: str | None = None
    """Of a private chat the person, else the chat; `*` stands for any characters."""
    guild_id: str | None = None
    """As the two below: of channels that know such things. No message of another channel has them."""
    team_id: str | None = None
    member_role_ids: tuple[str, ...] = ()


@frozen
class Binding:
    """One of `bindings`: these messages are for this agent."""

    agent_id: str
    match: BindingMatch
    id: str | None = None
    """For people."""
    priority: int = 100
    """The highest counts, and of equals the first."""
    enabled: bool = True
