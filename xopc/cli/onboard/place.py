"""The step that says where the gateway listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xopc.cli.onboard.guide import Guide
from xopc.cli.onboard.wishes import Wishes
from xopc.contracts.settings.file import BindMode
from xopc.service.ports import PortStatus, inspect

if TYPE_CHECKING:
    from xopc.cli.onboard.present import Present

NEAR = 50
"""So many ports above one that is taken are looked at."""

_TEXTS = {
    BindMode.LOOPBACK: "This machine alone",
    BindMode.LAN: "Everybody in my network who has its token",
    BindMode.TAILNET: "My tailnet (Tailscale)",
    BindMode.AUTO: "This machine alone; in a container, everybody who has its token",
    BindMode.CUSTOM: "As it is: those who reach the address that the configuration names",
}


def choose_port(guide: Guide, present: Present, wishes: Wishes) -> int:
    """A port that is free, or where this gateway is already.

    Raises:
        XopcError: it is taken, and nobody is there to name another.
    """
    wanted = wishes.port or present.settings.gateway.port
    problem = _problem(present, wanted)
    if problem is None and (wishes.port is not None or not guide.is_attended):
        return wanted
    if problem is not None:
        guide.trouble(problem, "Choose another with --port, or stop that process.")
        wanted = next((port for port in range(wanted + 1, wanted + NEAR) if _problem(present, port) is None), wanted)

    def check(answer: str) -> int:
        if not answer.isdecimal() or not 1 <= int(answer) <= 65535:
            raise ValueError("A port is a number from 1 to 65535.")
        if (taken := _problem(present, int(answer))) is not None:
            raise ValueError(taken)
        return int(answer)

    return guide.ask("Port", check, str(wanted), option="--port")


def choose_bind(guide: Guide, present: Present, wishes: Wishes) -> BindMode:
    """Who can reach it."""
    if wishes.bind is not None:
        return wishes.bind
    there = present.settings.gateway.bind or BindMode.LOOPBACK
    usual = (BindMode.LOOPBACK, BindMode.LAN, BindMode.TAILNET)
    modes = usual if there in usual else (*usual, there)
    return guide.choose("Who can reach it", [(mode, _TEXTS[mode]) for mode in modes], there)


def _problem(present: Present, port: int) -> str | None:
    """Who has a port; None where it is free, or this gateway's own."""
    use = inspect(port)
    if use.status is not PortStatus.BUSY or (present.running_pid is not None and present.running_pid in use.gateways):
        return None
    return use.hints[0] if use.hints else f"Port {port} is taken."
