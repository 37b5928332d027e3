"""`xopc gateway service start`."""

from __future__ import annotations

import json
import math
import socket
import time
from pathlib import Path
from typing import Any

import pytest

import xopc
from tests.crowding import crowding
from tests.fakes.gateway import configure, running_gateway, stranger
from tests.fakes.service_managers import FakeManagers
from tests.ports import free_port
from xopc.cli.gateway.service.install import install
from xopc.cli.gateway.service.start import start
from xopc.cli.gateway.service.status import status
from xopc.cli.gateway.stop import stop
from xopc.cli.gateway.target import find_target

UNIT = Path(".config/systemd/user/xopc-gateway.service")


def start_as_json(capsys: pytest.CaptureFixture[str], code: int = 0) -> Any:  # noqa: ANN401 - JSON
    capsys.readouterr()
    assert start(as_json=True) == code
    return json.loads(capsys.readouterr().out)


def test_rows_075_076_the_manager_starts_it_and_pid_and_url_are_printed(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home, port=4711)
    assert install() == 0
    capsys.readouterr()
    assert start() == 0
    pid = managers.pid("user:xopc-gateway.service")
    assert capsys.readouterr().out == (f"✅ Gateway service started\n   PID: {pid}\n   URL: http://localhost:4711\n")
    assert managers.calls_of("systemctl", "restart") == [["--user", "--no-pager", "restart", "xopc-gateway.service"]]


def test_row_087_a_real_gateway_is_ready_within_five_seconds(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    managers.set(runs=True)
    port = free_port()
    configure(home, port=port)
    assert install() == 0
    took, shown = math.inf, None
    for _ in range(3):  # a shared machine may be busy for a while
        began = time.monotonic()
        shown = start_as_json(capsys)
        if (took := (time.monotonic() - began) / crowding()) < 5:
            break
    assert took < 5
    owner = find_target(None).owner
    assert owner is not None
    assert shown == {"ok": True, "outcome": "started", "pid": owner.pid, "url": f"http://localhost:{port}"}
    assert owner.state == "serving"
    assert stop() == 0


def test_what_is_not_installed_is_not_started(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home)
    assert start() == 1
    assert capsys.readouterr().err == "❌ Service not installed. Run: xopc gateway service install\n"
    shown = start_as_json(capsys, 1)
    assert (shown["ok"], shown["outcome"]) == (False, "missing-install")


def test_row_035_one_that_was_put_off_comes_back(home: Path, managers: FakeManagers) -> None:
    configure(home)
    assert install() == 0
    assert start() == 0
    assert stop(disable=True) == 0
    assert managers.pid("user:xopc-gateway.service") is None
    assert start() == 0
    assert managers.pid("user:xopc-gateway.service") is not None
    assert len(managers.calls_of("systemctl", "enable")) == 2


OLD = f"Service version 0.0.1 does not match current {xopc.__version__}."
GONE = "Service program not found on disk: /nowhere/xopc"


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (("ExecStart=", "ExecStart=/nowhere/xopc #"), "missing-program", GONE),
        ((f"VERSION={xopc.__version__}", "VERSION=0.0.1"), "version-mismatch", OLD),
    ],
)
@pytest.mark.usefixtures("managers")
def test_a_stale_installation_is_to_be_repaired_first(
    home: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], code: str, message: str
) -> None:
    configure(home)
    assert install() == 0
    unit = home / UNIT
    unit.write_text(unit.read_text().replace(*change))
    capsys.readouterr()
    assert start() == 1
    assert capsys.readouterr().out == (
        f"⚠️  Service needs repair:\n   - {message}\n💡 Write it anew: xopc gateway service install --force\n"
    )
    shown = start_as_json(capsys, 1)
    assert (shown["ok"], shown["outcome"]) == (False, "repair-required")
    assert [issue["code"] for issue in shown["issues"]] == [code]


def test_a_gateway_that_was_started_by_hand_is_to_be_stopped_first(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home) as gateway:
        assert install() == 0
        capsys.readouterr()
        assert start() == 1
        assert f"started by hand runs with this configuration (pid {gateway.pid})" in capsys.readouterr().err
        assert gateway.process.poll() is None


def test_a_configuration_that_would_be_refused_ends_nobody(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home) as gateway:
        managers.adopt("user:xopc-gateway.service", gateway.pid)
        assert install() == 0
        configure(home, bind="moon")
        capsys.readouterr()
        assert start() == 1
        shown = capsys.readouterr().err
        assert "$.gateway.bind" in shown
        assert shown.endswith("what runs goes on as it is\n")
        assert gateway.process.poll() is None


def test_a_start_that_fails_says_how_the_service_is_and_where_to_look(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home)
    assert install() == 0
    managers.fail("systemctl", "restart", text="Job for xopc-gateway.service failed.")
    capsys.readouterr()
    assert start() == 1
    shown = capsys.readouterr().err
    assert "Job for xopc-gateway.service failed. The service is inactive (dead)." in shown
    assert "💡 xopc gateway logs\n💡 journalctl --user --unit xopc-gateway.service --lines 20\n" in shown


def test_a_manager_that_does_not_tell_is_not_quoted_as_how_the_service_is(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home)
    assert install() == 0
    managers.fail("systemctl", text="Failed to connect to bus: No medium found")
    capsys.readouterr()
    assert start() == 1
    shown = capsys.readouterr().err
    assert "Failed to connect to bus" in shown
    assert "The service is" not in shown


def test_a_port_that_is_taken_is_told_at_once_with_who_has_it(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    with stranger(home) as other:
        configure(home, port=other.port)
        assert install() == 0
        capsys.readouterr()
        assert start() == 1
        shown = capsys.readouterr().err
        told = f"💡 Port {other.port} is used by pid {other.process.pid}: "
    assert shown.startswith(f"❌ Service start failed: the port is taken\n{told}")
    assert managers.calls_of("systemctl", "restart") == []


def test_a_stranger_at_another_address_of_the_port_is_in_nobodys_way(home: Path, managers: FakeManagers) -> None:
    with socket.create_server(("127.0.0.2", 0)) as other:
        configure(home, port=other.getsockname()[1])
        assert install() == 0
        assert start() == 0


def test_row_077_status_shows_it(home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home)
    assert install() == 0
    assert start() == 0
    capsys.readouterr()
    assert status() == 0
    assert f"Runtime: running (pid {managers.pid('user:xopc-gateway.service')})\n" in capsys.readouterr().out
