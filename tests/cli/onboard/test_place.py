"""The step that says where the gateway listens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.gateway import configure, running_gateway, stranger
from tests.fakes.scripted_terminal import ScriptedTerminal
from tests.ports import free_port
from xopc.cli.onboard.guide import Attended, Unattended
from xopc.cli.onboard.place import choose_bind, choose_port
from xopc.cli.onboard.present import Present
from xopc.cli.onboard.wishes import Wishes
from xopc.contracts.errors import XopcError
from xopc.contracts.settings.file import BindMode


def test_a_free_port_is_proposed(home: Path, see: Callable[[], Present]) -> None:
    port = free_port()
    configure(home, port=port)
    terminal = ScriptedTerminal("")
    assert choose_port(Attended(terminal), see(), Wishes()) == port
    assert terminal.lines == [f"Port [{port}]: "]


def test_a_port_that_an_option_names_is_not_asked_about(see: Callable[[], Present]) -> None:
    port = free_port()
    assert choose_port(Attended(ScriptedTerminal()), see(), Wishes(port=port)) == port


def test_whoever_has_the_port_is_named_and_another_is_proposed(home: Path, see: Callable[[], Present]) -> None:
    with stranger(home) as process:
        terminal = ScriptedTerminal(str(process.port), "many", "0", "")
        port = choose_port(Attended(terminal), see(), Wishes(port=process.port))
        with pytest.raises(XopcError, match=f"Port {process.port} is used by pid {process.pid}"):
            choose_port(Unattended(), see(), Wishes(port=process.port))
    terminal.finish()
    assert port > process.port
    assert terminal.lines[0].startswith(f"❌ Port {process.port} is used by pid {process.pid}: ")
    assert terminal.lines.count("   A port is a number from 1 to 65535.") == 2


def test_the_port_of_the_gateway_that_runs_is_its_own(home: Path, see: Callable[[], Present]) -> None:
    with running_gateway(home) as gateway:
        assert choose_port(Unattended(), see(), Wishes(port=gateway.port)) == gateway.port


@pytest.mark.parametrize(
    ("there", "wishes", "mode"),
    [
        ({}, Wishes(), BindMode.LOOPBACK),
        ({"bind": "lan"}, Wishes(), BindMode.LAN),
        ({"bind": "auto"}, Wishes(), BindMode.AUTO),
        ({}, Wishes(bind=BindMode.TAILNET), BindMode.TAILNET),
    ],
)
def test_who_can_reach_it_is_as_it_is_unless_somebody_says(
    home: Path, see: Callable[[], Present], there: dict[str, str], wishes: Wishes, mode: BindMode
) -> None:
    configure(home, **there)
    assert choose_bind(Unattended(), see(), wishes) is mode
    answers = [] if wishes.bind else [""]
    assert choose_bind(Attended(ScriptedTerminal(*answers)), see(), wishes) is mode


def test_somebody_says(see: Callable[[], Present]) -> None:
    assert choose_bind(Attended(ScriptedTerminal(">my network")), see(), Wishes()) is BindMode.LAN
