"""What a request names: an agent, a session, a channel and one of its accounts."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Mapping

from attrs import frozen

from xopc.channels.base import Channel
from xopc.contracts.api.messages import AgentRequest, MessageRequest
from xopc.contracts.errors import Failure, InvalidValueError, Problem, XopcError
from xopc.contracts.keys import AnyKey, SessionKey, parse_key, segment
from xopc.contracts.messages import Address, PeerKind
from xopc.contracts.settings.file import AgentsSettings

DEFAULT_ACCOUNT = "default"
DEFAULT_SESSION = "default"
WEBCHAT = "webchat"


@frozen
class Target:
    """The session that a message to an agent is for."""

    key: AnyKey
    name: str
    """As the caller names it."""
    chat: str
    """Its peer, as the caller spells it."""

    @property
    def address(self) -> Address:
        return Address(self.key.source, self.key.account, self.chat, self.key.thread)

    @property
    def kind(self) -> PeerKind:
        known = {kind.value: kind for kind in PeerKind}
        return known.get(self.key.kind, PeerKind.DIRECT)


def session_target(request: AgentRequest, agents: AgentsSettings) -> Target:
    """The session of a request: a whole key is taken as it is, a name becomes the peer of a direct chat.

    Raises:
        InvalidValueError: the agent is none, or not that of the key.
    """
    name = request.session or DEFAULT_SESSION
    key = None if request.new_session else parse_key(name)
    if key is not None:
        if request.agent_id is not None and request.agent_id.lower() != key.agent:
            owner = f"the agent {key.agent}" if key.agent else "whichever agent is the default"
            raise InvalidValueError(Problem("$.agentId", f"the session belongs to {owner}; leave it out"))
        enabled_agent(key.agent, agents, "$.session")
        return Target(key, name, key.peer)
    agent = enabled_agent(request.agent_id, agents, "$.agentId")
    peer = new_peer() if request.new_session else name
    source = segment(request.channel, WEBCHAT)
    key = SessionKey(agent, source, DEFAULT_ACCOUNT, PeerKind.DIRECT.value, segment(peer, DEFAULT_SESSION))
    return Target(key, peer, peer)


def named_session(name: str | None, agents: AgentsSettings) -> str:
    """The key of a session that is there already, by what `session_target` takes."""
    key = parse_key(name or DEFAULT_SESSION)
    if key is None:
        peer = segment(name or DEFAULT_SESSION, DEFAULT_SESSION)
        key = SessionKey(agents.default_id, WEBCHAT, DEFAULT_ACCOUNT, PeerKind.DIRECT.value, peer)
    return str(key)


def enabled_agent(agent_id: str | None, agents: AgentsSettings, path: str) -> str:
    """An agent that may be asked; the default one where none is named.

    Raises:
        InvalidValueError: there is none of this id, or it is disabled. `path` is where it was named.
    """
    if agent_id is None:
        return agents.default_id
    if agent_id.lower() not in agents.enabled_ids():
        raise InvalidValueError(Problem(path, "names no enabled agent; agents.list of the configuration holds them"))
    return agent_id.lower()


def check_model(ref: str | None, why_not: Callable[[str], str | None], path: str = "$.model") -> None:
    """Refuse a model that nobody can ask; None names none. `path` is where it was named.

    Raises:
        InvalidValueError: with why, and which there are.
    """
    if ref is not None and (why := why_not(ref)) is not None:
        raise InvalidValueError(Problem(path, why))


def new_peer() -> str:
    """The peer of a chat that did not exist before."""
    return f"chat_{time.time_ns() // 1_000_000}_{secrets.token_hex(3)}"


def address_of(request: MessageRequest, channels: Mapping[str, Channel]) -> Address:
    """The place on a channel that a message is for.

    Raises:
        XopcError: CHANNEL_NOT_FOUND, or INVALID_REQUEST for the account or the chat.
    """
    channel = channels.get(request.channel)
    accounts = channel.accounts() if channel else ()
    if not accounts:
        known = ", ".join(sorted(name for name, channel in channels.items() if channel.accounts()))
        raise XopcError(Failure.CHANNEL_NOT_FOUND, f"There is no such channel, or it is disabled. There are: {known}.")
    account = request.account_id
    if account is None:
        account = DEFAULT_ACCOUNT if DEFAULT_ACCOUNT in accounts else accounts[0]
    elif account not in accounts:
        raise InvalidValueError(Problem("$.accountId", f"names no enabled account; there are: {', '.join(accounts)}"))
    chat = str(request.chat_id).strip()
    return Address(request.channel, account, chat, None if request.thread_id is None else str(request.thread_id))


def peer_kind(channel: str, chat: str, channels: Collection[str]) -> PeerKind:
    """What a chat is, as far as its id tells: on messaging platforms a negative one is a group's."""
    if channel == WEBCHAT or channel not in channels:
        return PeerKind.DIRECT
    return PeerKind.GROUP if chat.startswith("-") else PeerKind.DM
