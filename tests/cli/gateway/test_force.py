"""`xopc gateway --force`: what is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.gateway import Behaviour, configure, running_gateway, stranger
from xopc.cli.gateway.force import make_room
from xopc.config.resolve import Flags, Resolved, resolve
from xopc.contracts.errors import XopcError


def resolved(home: Path, port: int) -> Resolved:
    return resolve({"XOPC_HOME": str(home)}, Flags(port=port))


def test_a_program_that_is_no_gateway_is_named_with_its_command_before_it_ends(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with stranger(home) as other:
        make_room(resolved(home, other.port))
        assert other.process.wait(1) != 0
    told, killed = capsys.readouterr().out.splitlines()
    assert told.startswith(f"⚠️  Port {other.port} is used by pid {other.pid}: ")
    assert "create_server" in told
    assert killed == f"Force killed 1 process(es) on port {other.port}"


def test_it_says_when_it_had_to_kill(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home, Behaviour(on_term="ignore")) as gateway:
        make_room(resolved(home, gateway.port))
        assert gateway.process.wait(1) == -9
    assert capsys.readouterr().out == (
        f"⚠️  A gateway runs already (pid {gateway.pid}); it is stopped.\n"
        f"Force killed 1 process(es) on port {gateway.port}\nEscalated to SIGKILL\n"
    )


def test_what_keeps_it_from_making_room_is_told_with_the_port(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XOPC_SERVICE_MARKER", "systemd")
    with running_gateway(home) as gateway:
        with pytest.raises(XopcError, match=f"^Failed to free port {gateway.port}: systemd keeps the gateway there"):
            make_room(resolved(home, gateway.port))
        assert gateway.process.poll() is None


def test_row_013_with_nobody_there_nothing_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home)
    make_room(resolved(home, 0))
    assert capsys.readouterr().out == ""
