"""How a set-up talks."""

from __future__ import annotations

from xopc.cli.onboard.guide import Attended, Unattended
from xopc.cli.onboard.manner import Manner


def test_a_person_is_asked_and_a_script_is_not() -> None:
    assert isinstance(Manner("onboard").guide(), Attended)
    assert isinstance(Manner("setup", is_silent=True).guide(), Unattended)
