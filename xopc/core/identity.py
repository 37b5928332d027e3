"""Who somebody is: by an id of a platform, or by a name that the configuration gives to several."""

from __future__ import annotations

from attrs import frozen

from xopc.contracts.keys import segment
from xopc.contracts.settings.routing import SessionSettings
from xopc.storage.path.forget import Person


@frozen
class Identity:
    """One person: all ids, and the names that sessions may bear instead of them."""

    people: tuple[Person, ...]
    names: tuple[str, ...] = ()
    """As segments of keys."""


def identify(text: str, settings: SessionSettings) -> Identity | None:
    """Whom `telegram:123456`, or a name in `session.identityLinks`, means; None where it is neither.

    An id means itself alone, whatever name it is linked to.
    """
    wanted = text.strip()
    links = {name.strip().lower(): (name, ids) for name, ids in settings.identity_links.items()}
    if wanted.lower() in links:
        name, ids = links[wanted.lower()]
        return Identity(tuple(map(_person, ids)), (segment(name, "unknown"),))
    channel, _, peer = wanted.partition(":")
    return Identity((_person(wanted),)) if channel.strip() and peer.strip() else None


def _person(link: str) -> Person:
    channel, colon, peer = link.strip().lower().partition(":")
    return Person(peer.strip(), channel.strip()) if colon else Person(channel)
