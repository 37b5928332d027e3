"""`xopc gateway service install`."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from cyclopts import CycloptsError

from tests.fakes.gateway import TOKEN, configure, running_gateway
from tests.fakes.service_managers import FakeManagers
from xopc.cli.gateway.managed import find_service
from xopc.cli.gateway.service import place
from xopc.cli.gateway.service.install import install
from xopc.cli.gateway.target import find_target
from xopc.cli.main import build_app
from xopc.config.setup import generate_token
from xopc.service.audit.audited import audit_service
from xopc.service.managers.base import Installed
from xopc.service.managers.find import find_manager

UNIT = Path(".config/systemd/user/xopc-gateway.service")


def installed() -> Installed:
    service = find_service(find_target(None))
    assert service is not None
    return service.installed


def install_as_json(capsys: pytest.CaptureFixture[str], code: int = 0, **options: Any) -> Any:  # noqa: ANN401 - JSON
    assert install(as_json=True, **options) == code
    return json.loads(capsys.readouterr().out)


def found() -> list[str]:
    """What the audit finds."""
    target, manager = find_target(None), find_manager(dict(os.environ))
    assert manager is not None
    audit = audit_service(manager, target.environ, target.paths)
    return [finding.code for finding in audit.findings] if audit is not None else []


def test_row_060_a_user_service_is_installed(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home)
    assert install() == 0
    shown = capsys.readouterr().out
    assert shown.startswith("✅ Gateway service installed\n\n   Service: xopc-gateway\n   Port: 18790\n\n")
    assert "💡 It starts when you log in. To have it now: xopc gateway service start\n💡 xopc gateway status\n" in shown
    assert (home / UNIT).is_file()
    assert managers.calls_of("systemctl", "enable") == [["--user", "--no-pager", "enable", "xopc-gateway.service"]]
    assert managers.calls_of("systemctl", "restart") == [], "it is not started yet"


def test_row_065_the_port_lands_in_the_arguments(home: Path, managers: FakeManagers) -> None:
    configure(home)
    assert install(port=8080) == 0
    assert installed().arguments[-3:] == ("--foreground", "--port", "8080")


def test_a_service_that_is_at_another_port_after_each_start_is_refused(home: Path, managers: FakeManagers) -> None:
    configure(home)
    with pytest.raises(CycloptsError, match="Must be >= 1"):
        build_app()(["gateway", "service", "install", "--port", "0"], exit_on_error=False, print_error=False)
    assert not (home / UNIT).exists()


def test_row_066_a_token_is_the_services_and_stands_in_its_file_alone(home: Path, managers: FakeManagers) -> None:
    configure(home)
    token = generate_token()
    assert install(token=token) == 0
    assert installed().secrets["XOPC_GATEWAY_TOKEN"] == token
    path = home / ".xopc" / "service" / "xopc-gateway.env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token not in (home / UNIT).read_text()
    assert token not in json.dumps([call.argv for call in managers.calls])
    assert "token-drift" in found()


def test_row_067_what_is_installed_is_left_alone_without_force(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home)
    assert install() == 0
    before = (home / UNIT).read_bytes()
    capsys.readouterr()
    assert install(port=8080) == 0
    assert capsys.readouterr().out == "ℹ️  Service already installed. Use --force to reinstall.\n"
    assert install_as_json(capsys, port=8080)["result"] == "already-installed"
    assert (home / UNIT).read_bytes() == before
    assert install(port=8080, force=True) == 0
    assert installed().arguments[-1] == "8080"


def test_row_068_as_json(home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home, port=8080)
    shown = install_as_json(capsys)
    assert (shown["ok"], shown["result"], shown["label"], shown["port"]) == (True, "installed", "xopc-gateway", 8080)
    assert shown["sourcePath"] == str(home / UNIT)


def test_row_079_force_uses_the_configuration_as_it_is_now(home: Path, managers: FakeManagers) -> None:
    configure(home, port=8080)
    assert install() == 0
    configure(home, port=9090)
    assert install(force=True) == 0
    assert installed().arguments[-1] == "9090"


def test_a_port_that_was_asked_for_stays_and_is_no_mismatch(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home, port=8080)
    hints = install_as_json(capsys, port=7070, bind="lan")["hints"]
    told = "It stays at --port 7070 --bind lan, until --port and --bind of `xopc gateway service install --force`"
    assert hints[-1].startswith(told)
    configure(home, port=9090)
    assert install(force=True) == 0
    assert installed().arguments[-4:] == ("--port", "7070", "--bind", "lan")
    assert "port-mismatch" not in found()
    assert install(force=True, port=9090, bind="loopback") == 0
    assert installed().arguments[-2:] == ("--port", "9090"), "that is what the configuration says"
    configure(home, port=8080)
    assert "port-mismatch" in found()


def test_the_port_of_another_configurations_service_is_not_kept(home: Path, managers: FakeManagers) -> None:
    configure(home, port=8080)
    assert install(port=7070) == 0
    other = home / "other.json"
    other.write_text((home / ".xopc" / "xopc.json").read_text())
    assert install(force=True, config=other) == 0
    service = find_service(find_target(other))
    assert service is not None
    assert service.installed.arguments[-2:] == ("--port", "8080")


def test_one_that_was_put_off_is_installed_without_force(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home)
    assert install() == 0
    service = find_service(find_target(None))
    assert service is not None
    service.manager.disable()
    capsys.readouterr()
    assert install_as_json(capsys)["result"] == "installed"
    assert service.manager.is_loaded()


def test_keys_of_another_shell_outlive_a_reinstallation(
    home: Path, managers: FakeManagers, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(home)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert install() == 0
    monkeypatch.delenv("OPENAI_API_KEY")
    assert install(force=True) == 0
    assert installed().secrets == {"OPENAI_API_KEY": "sk-1", "XOPC_GATEWAY_TOKEN": TOKEN}


def test_a_first_installation_writes_a_token_as_a_start_would(home: Path, managers: FakeManagers) -> None:
    assert install() == 0
    token = json.loads((home / ".xopc" / "xopc.json").read_text())["gateway"]["auth"]["token"]
    assert installed().secrets["XOPC_GATEWAY_TOKEN"] == token


def test_a_configuration_that_a_start_would_refuse_is_not_installed(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home, port="high")
    assert install() == 1
    shown = capsys.readouterr().err
    assert "Service not installed. The gateway would refuse to start with this configuration" in shown
    assert "$.gateway.port: must be a whole number" in shown
    assert not (home / UNIT).exists()


def test_a_token_that_is_too_short_is_a_warning(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home)
    shown = install_as_json(capsys, token="fifteen-letters")
    assert "The gateway will refuse this token when it starts" in " ".join(shown["warnings"])
    assert installed().secrets["XOPC_GATEWAY_TOKEN"] == "fifteen-letters"


def test_a_manager_that_refuses_is_told_with_what_it_said(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home)
    managers.fail("systemctl", "enable", text="Failed to enable unit: Access denied")
    assert install() == 1
    shown = capsys.readouterr().err
    assert shown.startswith(
        "❌ Service not installed: `systemctl --user --no-pager enable xopc-gateway.service` ended "
    )
    assert "Access denied" in shown
    assert not (home / UNIT).exists()


def test_a_service_of_another_configuration_is_named(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home)
    assert install() == 0
    capsys.readouterr()
    (warning,) = install_as_json(capsys, config=home / "other.json")["warnings"]
    assert f"the service of another configuration, {home}/.xopc/xopc.json" in warning


def test_a_gateway_that_was_started_by_hand_is_told_of(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home) as gateway:
        hints = install_as_json(capsys)["hints"]
        assert hints[0].startswith(f"A gateway that was started by hand runs (pid {gateway.pid}).")
        managers.adopt("user:xopc-gateway.service", gateway.pid)
        hints = install_as_json(capsys, force=True)["hints"]
        assert hints[0] == "It runs with what was installed before. To have the new: xopc gateway restart"


def test_each_profile_has_a_service_of_its_own(
    home: Path, managers: FakeManagers, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(home)
    assert install() == 0
    monkeypatch.setenv("XOPC_PROFILE", "rescue")
    assert install() == 0
    units = sorted(path.name for path in (home / UNIT).parent.glob("*.service"))
    assert units == ["xopc-gateway-rescue.service", "xopc-gateway.service"]
    assert installed().environment["XOPC_PROFILE"] == "rescue"
    assert installed().settings["Description"].startswith("xopc Gateway (profile: rescue, v")


def test_without_a_manager_that_answers_nothing_is_written(
    home: Path, managers: FakeManagers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(place, "BOOTED", home)
    managers.fail("systemctl", "show", text="Failed to connect to bus: No medium found")
    shown = install_as_json(capsys, 1)
    assert (shown["ok"], shown["error"]) == (False, "Daemon not available")
    assert shown["hints"][-1] == "Run it in the foreground instead: xopc gateway"
    assert install() == 1
    assert capsys.readouterr().err.startswith("❌ OS service not available on Linux (systemd)\n")
    assert not (home / ".xopc").exists()
