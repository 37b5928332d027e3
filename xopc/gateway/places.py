"""The sockets that the gateway serves at: those that it inherited, or others, where its configuration names others."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from attrs import frozen

from xopc.config.resolve import Resolved
from xopc.contracts.errors import ConfigError, Problem
from xopc.gateway.line import Line, SocketsRefusedError
from xopc_supervisor.contract import Address


@frozen
class Places:
    """Listening sockets. The gateway's to close."""

    serving: tuple[socket.socket, ...]
    """The main one first."""
    addresses: tuple[Address, ...]
    """What they are for."""
    retired: tuple[socket.socket, ...] = ()
    """Of addresses that are given up: whoever waits there is served still."""
    problem: str | None = None
    """Why they are not what the configuration names."""


def find_places(
    line: Line, bound: tuple[Address, ...], inherited: Sequence[socket.socket], resolved: Resolved, *, alone: bool
) -> Places:
    """What to serve at. `bound` are the addresses that the `inherited` sockets are for.

    A process that another serves beside refuses what is not to be had, and does not give up an address for loopback,
    unless this host has lost it. One that is `alone` serves where it can.

    Raises:
        ConfigError: the addresses that the configuration names are not to be had.
    """
    wanted, lack = resolved.addresses, resolved.binding.lack
    if wanted == bound:
        return Places(tuple(inherited), bound)
    if not alone and lack is not None and lack.required and lack.address not in {address.host for address in bound}:
        raise ConfigError(str(resolved.paths.config_path), lack.refusal)
    try:
        serving = line.ask_for_sockets(wanted)
    except SocketsRefusedError as error:
        what = f"the gateway cannot listen at {wanted[0].host} port {wanted[0].port}: {error}"
        if alone:
            return Places(tuple(inherited), bound, problem=f"{what}. It goes on where it was")
        problem = Problem("$.gateway.port", f"{what}. Choose another port or gateway.bind")
        raise ConfigError(str(resolved.paths.config_path), problem) from None
    names = {listener.getsockname() for listener in serving}
    retired = [listener for listener in inherited if listener.getsockname() not in names]
    for listener in inherited:
        if listener not in retired:
            listener.close()
    return Places(tuple(serving), wanted, tuple(retired))
