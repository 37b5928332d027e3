"""What a changed configuration asks for: each changed key, by one table, and no value, which may be a secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from functools import reduce
from typing import TypeAlias, cast

import attrs
from attrs import frozen

from xopc.config.resolve import Resolved
from xopc.contracts.auth import AuthMode
from xopc.contracts.convert import join, keys_of
from xopc.contracts.settings.file import BindMode


class Effect(Enum):
    """What it takes for a changed key to take effect."""

    NONE = "none"
    """Nothing: it is read when it is used."""
    HOT = "hot"
    """It is applied to the running gateway, which is not interrupted."""
    AGENT = "agent"
    """As `HOT`: turns that begin from now on have a new agent."""
    CHANNEL = "channel"
    """As `HOT`: the accounts of this one channel are stopped and started anew."""
    RESTART = "restart"
    """A new generation, in this process."""
    MOVE = "move"
    """Other sockets, and so a new process."""

    @property
    def is_hot(self) -> bool:
        return self in (Effect.HOT, Effect.AGENT, Effect.CHANNEL)


RULES: Mapping[str, Effect] = {
    "gateway": Effect.RESTART,
    "gateway.bind": Effect.MOVE,
    "gateway.customBindHost": Effect.MOVE,
    "gateway.host": Effect.MOVE,
    "gateway.port": Effect.MOVE,
    "gateway.auth": Effect.HOT,
    "gateway.tls": Effect.HOT,
    "gateway.corsOrigins": Effect.HOT,
    "gateway.allowedHosts": Effect.HOT,
    "gateway.trustedProxies": Effect.HOT,
    "gateway.allowRealIpFallback": Effect.HOT,
    "gateway.dangerouslyAllowHostHeaderOriginFallback": Effect.HOT,
    "gateway.security": Effect.HOT,
    "gateway.reload": Effect.HOT,
    "gateway.maxSseConnections": Effect.HOT,
    "gateway.watchdogSeconds": Effect.HOT,
    "gateway.standby": Effect.HOT,
    "gateway.heartbeat": Effect.HOT,
    # Of the next start of the channels; those that run are connected already.
    "gateway.channelConnectDeferMode": Effect.NONE,
    "gateway.channelConnectDeferIds": Effect.NONE,
    "gateway.channelConnectDeferSkipIds": Effect.NONE,
    "commands": Effect.HOT,
    "agents": Effect.AGENT,
    "providers": Effect.AGENT,
    "channels": Effect.CHANNEL,
    "session": Effect.HOT,
    "bindings": Effect.HOT,
    "outbox": Effect.HOT,
    "cron": Effect.HOT,
    # What the programs print is compared where it stands.
    "secrets": Effect.NONE,
}
"""The most specific rule counts. A key without any takes a restart, which is always right."""

Keys: TypeAlias = tuple[str, ...]


@frozen
class Change:
    """A key whose value is another one."""

    path: str
    """`gateway.auth.token`, as people write it."""
    keys: Keys
    effect: Effect

    @property
    def section(self) -> str:
        """The first of its keys."""
        return self.keys[0]


@frozen
class Plan:
    """From one configuration to another."""

    changes: tuple[Change, ...] = ()
    """Those that change something."""
    outranked: tuple[str, ...] = ()
    """Keys that are others now and change nothing, because an option, the environment or another key decides."""

    def paths(self, *effects: Effect) -> tuple[str, ...]:
        """The changed keys with one of these effects."""
        return tuple(change.path for change in self.changes if change.effect in effects)

    @property
    def hot(self) -> tuple[str, ...]:
        """The keys that a running gateway can take."""
        return tuple(change.path for change in self.changes if change.effect.is_hot)

    @property
    def restarts(self) -> tuple[Change, ...]:
        """The changes that take a new generation in this process."""
        return tuple(change for change in self.changes if change.effect is Effect.RESTART)

    @property
    def moves(self) -> tuple[Change, ...]:
        """The changes that take new sockets."""
        return tuple(change for change in self.changes if change.effect is Effect.MOVE)

    @property
    def channels(self) -> frozenset[str]:
        """The ids of the channels to start anew."""
        return frozenset(change.keys[1] for change in self.changes if change.effect is Effect.CHANNEL)

    @property
    def takes_agent(self) -> bool:
        """Whether turns need a new agent."""
        return bool(self.paths(Effect.AGENT))


def make_plan(before: Resolved, after: Resolved, rules: Mapping[str, Effect] = RULES) -> Plan:
    """What `after` changes of `before`. Both are weighed against options and environment already."""
    is_moved = before.binding.addresses(before.port) != after.binding.addresses(after.port)
    has_other_secret = (before.auth.mode, before.auth.secret) != (after.auth.mode, after.auth.secret)
    changes: list[Change] = []
    outranked: list[str] = []
    for keys in changed_keys(before.settings, after.settings):
        change = Change(_path(keys), keys, effect_of(keys, rules))
        is_idle = (
            (change.effect is Effect.MOVE and not is_moved)
            or (keys[:3] in _SECRETS and not has_other_secret)
            or (keys[:3] == _LIMITER and before.rate_limit == after.rate_limit)
        )
        if not is_idle:
            changes.append(change)
        elif not _holds_anyway(keys, after):
            outranked.append(change.path)
    return Plan(tuple(changes), tuple(outranked))


def effect_of(keys: Keys, rules: Mapping[str, Effect] = RULES) -> Effect:
    """The effect of the most specific rule for a key."""
    prefixes = (".".join(keys[:length]) for length in range(len(keys), 0, -1))
    return next((rules[prefix] for prefix in prefixes if prefix in rules), Effect.RESTART)


def changed_keys(before: object, after: object, keys: Keys = ()) -> Iterator[Keys]:
    """The keys whose values differ, as deep as both have them; a list is one value."""
    if before == after:
        return
    if attrs.has(type(before)) and type(before) is type(after):
        for attribute in attrs.fields(type(before)):
            values = (getattr(before, attribute.name), getattr(after, attribute.name))
            yield from changed_keys(*values, (*keys, keys_of(attribute)[0]))
    elif isinstance(before, dict) and isinstance(after, dict) and keys:
        one, other = cast("dict[str, object]", before), cast("dict[str, object]", after)
        for key in dict.fromkeys((*one, *other)):
            yield from changed_keys(one.get(key), other.get(key), (*keys, key))
    else:
        yield keys


_SECRETS = (("gateway", "auth", "mode"), ("gateway", "auth", "token"), ("gateway", "auth", "password"))
_LIMITER = ("gateway", "auth", "rateLimit")


def _holds_anyway(keys: Keys, after: Resolved) -> bool:
    """Whether the file says what is in force, such as a default that is written out: then nothing outranks it."""
    gateway = after.settings.gateway
    match keys:
        case ("gateway", "bind"):
            return (gateway.bind or BindMode.LOOPBACK) is after.binding.mode
        case ("gateway", "auth", "mode"):
            return (gateway.auth.mode or AuthMode.TOKEN) is after.auth.mode
        case _:
            return False


def _path(keys: Keys) -> str:
    return reduce(join, keys, "$").removeprefix("$.")
