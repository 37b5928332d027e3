"""Which session a message belongs to: a pure function of the message and the configuration."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from attrs import field, frozen

from xopc.contracts.keys import SessionKey, segment
from xopc.contracts.messages import Inbound, PeerKind
from xopc.contracts.settings.file import Settings
from xopc.contracts.settings.routing import Binding, BindingMatch, DmScope, SessionSettings


@frozen
class Routing:
    """The rules of one configuration. Made by `of`."""

    default_agent: str
    bindings: tuple[Binding, ...] = ()
    """Enabled ones in the order in which they are tried; their agents are there."""
    dm_scope: DmScope = DmScope.MAIN
    links: Mapping[str, str] = field(factory=dict[str, str])
    """Names of people by `channel:id` or a bare id, in lower case."""
    warnings: tuple[str, ...] = ()
    """What of the configuration has no effect, and why."""

    @classmethod
    def of(cls, settings: Settings) -> Routing:
        """The rules of `settings`. A binding to an agent that there is not is one to the default agent."""
        agents = settings.agents.enabled_ids()
        default = settings.agents.default_id
        warnings: list[str] = []
        bindings: list[tuple[int, Binding]] = []
        for index, binding in enumerate(settings.bindings):
            if not binding.enabled:
                continue
            agent = binding.agent_id.strip().lower()
            if agent not in agents:
                warnings.append(
                    f'$.bindings[{index}].agentId: there is no enabled agent "{agent[:64]}", so "{default}" answers. '
                    f"There are {', '.join(agents)}."
                )
                agent = default
            bindings.append((-binding.priority, Binding(agent, binding.match)))
        links, ambiguous = _links(settings.session)
        return cls(
            default_agent=default,
            bindings=tuple(binding for _, binding in sorted(bindings, key=lambda pair: pair[0])),
            dm_scope=settings.session.dm_scope,
            links=links,
            warnings=(*warnings, *ambiguous),
        )


def route(inbound: Inbound, routing: Routing) -> SessionKey:
    """The session of a message.

    Private chats go by `session.dmScope`; a group has a session of its own, and so has each of its threads, and each
    chat of the console and the API.
    """
    address = inbound.address
    agent = next((binding.agent_id for binding in routing.bindings if _holds(binding.match, inbound)), None)
    agent = segment(agent or routing.default_agent, "main")
    channel, account = segment(address.channel, "unknown"), segment(address.account, "default")
    if inbound.peer_kind is not PeerKind.DM:
        thread = None if address.thread is None else segment(address.thread, "unknown")
        chat = segment(address.chat, "unknown")
        return SessionKey(agent, channel, account, inbound.peer_kind.value, chat, thread)
    person = segment(_person(inbound, routing.links), "unknown")
    match routing.dm_scope:
        case DmScope.MAIN:
            return SessionKey(agent, "main", "default", "dm", "main")
        case DmScope.PER_PEER:
            return SessionKey(agent, "dm", "default", "dm", person)
        case DmScope.PER_CHANNEL_PEER:
            return SessionKey(agent, channel, "default", "dm", person)
        case DmScope.PER_ACCOUNT_CHANNEL_PEER:
            return SessionKey(agent, channel, account, "dm", person)


def main_session(routing: Routing) -> SessionKey:
    """The session that the private chats of the default agent share, unless `session.dmScope` says otherwise."""
    return SessionKey(segment(routing.default_agent, "main"), "main", "default", "dm", "main")


def _holds(match: BindingMatch, inbound: Inbound) -> bool:
    address = inbound.address
    peer = inbound.sender if inbound.peer_kind is PeerKind.DM else address.chat
    return (
        match.channel.strip().lower() == address.channel.lower()
        and _fits(match.account_id, address.account)
        and match.peer_kind in (None, inbound.peer_kind)
        and _fits(match.peer_id, peer)
        # No message carries these: without this, a binding to one guild would take the whole channel.
        and not (match.guild_id or match.team_id or match.member_role_ids)
    )


def _fits(pattern: str | None, text: str) -> bool:
    return pattern is None or re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def _person(inbound: Inbound, links: Mapping[str, str]) -> str:
    """Who wrote a private message, by the name that the configuration gives to this id, or else by the id."""
    peer = inbound.sender.strip().lower()
    linked = links.get(f"{inbound.address.channel.lower()}:{peer}")
    # An id with a colon could pass for one of another channel.
    bare = links.get(peer) if ":" not in peer else None
    return linked or bare or inbound.sender


def _links(settings: SessionSettings) -> tuple[dict[str, str], list[str]]:
    """Names by ids, and a warning for each id that is linked to several."""
    claims = {
        (peer.strip().lower(), name.strip()): None for name, peers in settings.identity_links.items() for peer in peers
    }
    ambiguous = {peer for peer, count in Counter(peer for peer, _ in claims).items() if count > 1}
    warnings = [
        f'$.session.identityLinks: "{peer[:64]}" is linked to several names, so it has no effect. Keep one.'
        for peer in sorted(ambiguous)
    ]
    return {peer: name for peer, name in claims if peer not in ambiguous}, warnings
