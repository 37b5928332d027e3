"""`xopc gateway status` where a service is installed, against the recording tools of systemd."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from attrs import evolve

from tests.fakes.definitions import definition
from tests.fakes.gateway import TOKEN, configure, running_gateway, stranger
from tests.fakes.service_managers import FakeManagers
from xopc.cli.gateway.report import SCHEMA
from xopc.cli.gateway.status import status
from xopc.cli.options import Duration
from xopc.service.managers.find import find_manager


@pytest.fixture
def managers(home: Path, monkeypatch: pytest.MonkeyPatch) -> FakeManagers:
    fakes = FakeManagers(home)
    for name, value in fakes.environ.items():
        monkeypatch.setenv(name, value)
    return fakes


@pytest.fixture
def free_port(home: Path) -> int:
    with stranger(home) as process:
        configure(home, port=process.port)
    return process.port


def install(home: Path, managers: FakeManagers, port: int, **changes: object) -> None:
    manager = find_manager(managers.environ)
    assert manager is not None
    wanted = definition(home)
    manager.install(evolve(wanted, **{"arguments": (*wanted.arguments[:-1], str(port)), **changes}))


def as_json(capsys: pytest.CaptureFixture[str], code: int, **options: Any) -> Any:  # noqa: ANN401 - JSON
    capsys.readouterr()
    assert status(as_json=True, **options) == code
    shown = json.loads(capsys.readouterr().out)
    jsonschema.validate(shown, json.loads(SCHEMA.read_text("utf-8")))
    return shown


def codes(shown: Any) -> list[str]:  # noqa: ANN401 - JSON
    return [issue["code"] for issue in shown["issues"]]


def test_where_none_is_installed_how_to_is_told(
    managers: FakeManagers, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status() == 1
    assert capsys.readouterr().out == (
        "⚠️  Gateway is not running\n\n"
        "💡 Start with: xopc gateway\n💡 Or install service: xopc gateway service install\n"
    )
    shown = as_json(capsys, 1)["service"]
    assert (shown["platform"], shown["installed"], shown["loaded"]) == ("Linux (systemd)", False, False)


def test_rows_026_and_074_a_service_that_fits_has_no_issue(
    home: Path, managers: FakeManagers, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    install(home, managers, free_port)
    shown = as_json(capsys, 1)
    assert shown["issues"] == []
    assert shown["config"]["service"] == {"path": str(home / ".xopc" / "xopc.json"), "exists": True}
    assert shown["config"]["mismatch"] is False
    assert status() == 1
    text = capsys.readouterr().out
    assert "   Service: xopc-gateway, systemd (enabled), stopped\n" in text
    assert text.endswith("💡 Start with: xopc gateway\n💡 Or start its service: xopc gateway service start\n")


def test_row_027_a_gateway_that_its_service_runs(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home) as gateway:
        configure(home, port=gateway.port)
        install(home, managers, gateway.port)
        managers.adopt("user:xopc-gateway.service", gateway.pid)
        shown = as_json(capsys, 0)
        assert status() == 0
    assert shown["service"]["runtime"]["status"] == "running"
    assert shown["service"]["runtime"]["pid"] == gateway.pid == shown["lock"]["pid"]
    assert shown["issues"] == []
    assert f"   Service: xopc-gateway, systemd (enabled), running (pid {gateway.pid})\n" in capsys.readouterr().out


def test_a_gateway_beside_its_service_is_told(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home) as gateway:
        configure(home, port=gateway.port)
        install(home, managers, gateway.port)
        assert codes(as_json(capsys, 0)) == ["not-by-service"]


def test_row_070_another_version_is_told_with_its_cure(
    home: Path, managers: FakeManagers, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {**definition(home).environment, "XOPC_SERVICE_VERSION": "0.0.9"}
    install(home, managers, free_port, environment=environment)
    assert status() == 1
    text = capsys.readouterr().out
    assert "⚠️  Service version 0.0.9 does not match current " in text
    assert text.endswith("💡 Run: xopc gateway service install --force\n")


def test_rows_071_and_072_token_drift_is_told_in_the_words_of_the_contract(
    home: Path, managers: FakeManagers, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    install(home, managers, free_port, secrets={"XOPC_GATEWAY_TOKEN": "another-token-of-last-week"})
    assert status() == 1
    text = capsys.readouterr().out
    assert (
        "⚠️ Token drift detected: service token differs from config.\n"
        "💡 Run `xopc gateway service install --force` to sync.\n"
    ) in text
    assert "another-token" not in text
    assert TOKEN not in text
    (issue,) = as_json(capsys, 1)["issues"]
    assert (issue["code"], issue["level"]) == ("token-drift", "recommended")
    assert issue["message"].startswith("Config token differs from service token.")


def test_row_073_a_missing_program_is_told(
    home: Path, managers: FakeManagers, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = str(home / "gone" / "xopc")
    install(home, managers, free_port, arguments=(gone, "gateway", "--port", str(free_port)))
    (issue,) = as_json(capsys, 1)["issues"]
    assert (issue["code"], issue["message"]) == ("missing-program", f"Service program not found on disk: {gone}")


def test_another_configuration_of_the_service_is_shown_beside_this_one(
    home: Path, managers: FakeManagers, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {**definition(home).environment, "XOPC_CONFIG_PATH": "/srv/other.json"}
    install(home, managers, free_port, environment=environment)
    managers.adopt("user:xopc-gateway.service", os.getpid())
    shown = as_json(capsys, 1)
    assert shown["running"] is False, "what it runs is another gateway"
    assert shown["config"]["mismatch"] is True
    assert "config-mismatch" in codes(shown)
    assert status() == 1
    assert "   Config of the service: /srv/other.json, and of this command: " in capsys.readouterr().out


def test_a_service_that_runs_is_not_called_stopped_before_it_has_its_lock(
    home: Path, managers: FakeManagers, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    install(home, managers, free_port)
    managers.adopt("user:xopc-gateway.service", os.getpid())
    shown = as_json(capsys, 0)
    assert (shown["running"], codes(shown)) == (True, ["service-without-lock"])


def test_the_last_error_of_the_log_is_told_where_it_should_answer(
    home: Path, managers: FakeManagers, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    install(home, managers, free_port)
    managers.adopt("user:xopc-gateway.service", None, exit_status=78)
    log = home / ".xopc" / "logs" / "app-2026-11-20.log"
    log.parent.mkdir()
    log.write_text(
        '{"timestamp": "2026-11-20T10:00:00.000", "level": "fatal", "message": "It cannot\\n start."}\nodd\n'
    )
    shown = as_json(capsys, 1)
    assert shown["lastError"] == "2026-11-20T10:00:00.000 It cannot start."
    assert codes(shown) == ["service-failed"]
    assert status() == 1
    assert "   Last error: 2026-11-20T10:00:00.000 It cannot start.\n" in capsys.readouterr().out


def test_a_manager_that_refuses_to_tell_is_told_and_the_rest_with_it(
    home: Path, managers: FakeManagers, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    install(home, managers, free_port)
    managers.fail("systemctl", code=1, text="Failed to connect to bus: No medium found")
    shown = as_json(capsys, 1)
    assert shown["service"]["runtime"]["status"] == "unknown"
    assert codes(shown) == ["service-unknown"], "nobody knows whether it starts at the next login"
    assert shown["service"]["loadedText"] == "systemd (does not tell)"


def test_another_machines_gateway_has_no_service(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home) as gateway:
        assert as_json(capsys, 0, url=f"http://127.0.0.1:{gateway.port}", token=TOKEN, deep=True)["service"] is None
    assert managers.calls == []


def test_a_required_probe_that_fails_is_a_failure(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.fakes.gateway import Behaviour

    with running_gateway(home, Behaviour(health_code=500)):
        assert as_json(capsys, 0)["running"] is True
        assert as_json(capsys, 1, require_probe=True, timeout=Duration(1))["running"] is True
    assert status(no_probe=True, require_probe=True) == 2
    assert "exclude each other" in capsys.readouterr().err


def test_its_schema_is_printed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(schema=True) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == "xopc gateway status --json"


def test_a_deep_look_tells_starters_the_program_and_the_disk(
    home: Path, managers: FakeManagers, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    install(home, managers, free_port)
    units = home / ".config" / "systemd" / "user"
    (units / "default.target.wants").mkdir(exist_ok=True)
    other = units / "mine.service"
    other.write_text(f"[Service]\nExecStart=/usr/bin/xopc gateway\nEnvironment=XOPC_HOME={home}\n")
    (units / "default.target.wants" / "mine.service").symlink_to(other)
    shown = as_json(capsys, 1, deep=True)
    assert codes(shown) == ["other-starter"]
    assert shown["deep"]["programVersion"] == "0.1.0"
    assert shown["deep"]["disk"]["freeBytes"] > 0
    assert "mine.service" in [one["name"] for one in shown["deep"]["starters"]]
    assert "deep" not in as_json(capsys, 1)
    other.write_text("[Service]\nExecStart=/usr/bin/xopc --profile rescue gateway\n")
    assert status(deep=True) == 1
    text = capsys.readouterr().out
    assert f"   Also starts a gateway: user unit mine.service ({home}/.xopc-rescue/xopc.json)\n" in text
    assert "   Program of the service: version 0.1.0\n   Disk: " in text
