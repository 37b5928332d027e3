"""How a set-up talks: to a person at a terminal, or to nobody."""

from __future__ import annotations

from attrs import frozen

from xopc.cli.onboard.guide import Attended, Guide, Unattended
from xopc.cli.onboard.terminal import Screen


@frozen
class Manner:
    """What the command line says of it."""

    command: str
    """`onboard` or `setup`."""
    takes_defaults: bool = False
    is_silent: bool = False
    as_json: bool = False

    def guide(self) -> Guide:
        """Who leads through the steps."""
        return Unattended() if self.is_silent else Attended(Screen(), takes_defaults=self.takes_defaults)
