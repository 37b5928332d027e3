"""Asks the gateway of a configuration how it is, and knows whether it is that one which answers."""

from __future__ import annotations

from attrs import evolve

from xopc.cli.gateway.target import Target
from xopc.client.http import Client, JsonObject
from xopc.service.health import Answer, ask
from xopc.service.lockfile import read_lock


def ask_gateway(target: Target, seconds: float, *, url: str | None = None, token: str | None = None) -> Answer | None:
    """What it says, or whoever answers at `url`; None where its port is not known. An answer that fails is one, too.

    The configuration's secret, unlike a `token` that is given, is shown only to a holder of the lock that listens: a
    stranger at the port must not see it. Where somebody else answers while the holder does not listen yet, that is no
    answer.
    """
    if url is not None:
        return ask(Client(url, token, seconds))
    if target.url is None:
        return None
    listens = target.owner is not None and target.owner.port is not None
    credential = token or (target.credential if listens else None)
    local_key = target.local_key if listens else None
    answer = ask(Client(target.url, credential, seconds, certificates=target.certificates, local_key=local_key))
    if listens or target.owner is None or answer.health is None or _holds_lock(target, answer.health):
        return answer
    what = f"{target.url}: the gateway that answers there is another one"
    return evolve(answer, health=None, details={}, error=what, is_unauthorized=False, is_another=True)


def _holds_lock(target: Target, health: JsonObject) -> bool:
    """Whether the gateway that says so holds the lock now: it may have come up since that was read."""
    lock = read_lock(target.lock.path)
    return lock.info is not None and lock.is_alive and health.get("pid") == lock.info.pid
