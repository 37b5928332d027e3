"""The security audit, against the running gateway: what its log says, and what strict security refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import TOKEN, Gateway, run_xopc, until, write_config

Start = Callable[..., Gateway]
DESK = ["https://desk.example.com"]
OPEN = {"bind": "lan", "auth": {"mode": "none"}, "corsOrigins": DESK}


def audited(gateway: Gateway) -> dict[str, list[str]]:
    """The levels at which the log tells each check."""
    found: dict[str, list[str]] = {}
    for file in sorted((gateway.state / "logs").glob("app-*.log")):
        for line in file.read_text().splitlines():
            fields: Any = json.loads(line)
            if fields["module"] == "xopc.security":
                found.setdefault(fields["check_id"], []).append(fields["level"])
    return found


def test_row_205_the_audit_runs_at_the_start(home: Path, start: Start) -> None:
    write_config(home, {"gateway": {"bind": "lan", "auth": {"token": "sixteen-letters!"}}})
    assert audited(start()) == {
        "gateway.auth.short_token": ["warn"],
        "gateway.cors.no_explicit_origins": ["error"],
        "gateway.transport.no_tls": ["warn"],
        "gateway.bind.all_interfaces": ["warn"],
    }


def test_row_205_what_is_fine_is_not_worth_a_line(gateway: Gateway) -> None:
    assert audited(gateway) == {}


def test_row_205_a_restart_tells_what_has_changed_and_nothing_twice(home: Path, start: Start) -> None:
    write_config(home, {"gateway": {"auth": {"mode": "none"}}})
    gateway = start()
    for _ in range(2):
        assert gateway.xopc("gateway", "restart", "--wait", "30s").returncode == 0
    assert audited(gateway) == {"gateway.auth.none_loopback": ["warn"]}
    write_config(home, {"gateway": {"auth": {"mode": "none"}, "corsOrigins": ["*"]}})
    assert gateway.xopc("gateway", "restart", "--wait", "30s").returncode == 0
    until(lambda: "gateway.cors.wildcard" in audited(gateway), "the new finding is told")
    write_config(home, {"gateway": {"auth": {"token": TOKEN}}})
    assert gateway.xopc("gateway", "restart", "--wait", "30s").returncode == 0
    assert audited(gateway) == {
        "gateway.auth.none_loopback": ["warn", "info"],
        "gateway.cors.wildcard": ["warn", "info"],
    }


def test_row_206_no_authentication_on_a_network_is_flagged(home: Path, start: Start) -> None:
    write_config(home, {"gateway": OPEN})
    gateway = start()
    assert audited(gateway)["gateway.auth.none_on_network"] == ["error"]
    warning = [line for line in gateway.text.splitlines() if line.startswith("⚠️")]
    assert len(warning) == 3
    assert "listens at all interfaces (0.0.0.0)" in warning[0]


def test_row_206_the_network_is_that_of_the_addresses(home: Path, start: Start) -> None:
    write_config(home, {"gateway": {**OPEN, "bind": "custom", "customBindHost": "127.0.0.2"}})
    gateway = start(ready=False)
    until(lambda: "✅ Gateway started" in gateway.text, "the gateway starts")
    assert audited(gateway) == {"gateway.auth.none_loopback": ["warn"]}


@pytest.mark.parametrize(("bind", "level"), [("loopback", "warn"), ("lan", "error")])
def test_row_207_a_wildcard_origin_is_flagged(home: Path, start: Start, bind: str, level: str) -> None:
    write_config(home, {"gateway": {"bind": bind, "corsOrigins": ["*"], "auth": {"token": TOKEN}}})
    assert audited(start())["gateway.cors.wildcard"] == [level]


def test_rows_201_208_a_generated_token_is_told_of_and_works(home: Path, start: Start) -> None:
    write_config(home, {})
    gateway = start()
    assert audited(gateway) == {"gateway.auth.auto_generated_token": ["info"]}
    token = gateway.xopc("gateway", "token", "--plain").stdout.strip()
    assert len(token) == 48
    assert gateway.request("GET", "/api/status", token=None).status == 401
    assert gateway.request("GET", "/api/status", token=token).status == 200
    assert gateway.xopc("gateway", "stop").returncode == 0
    gateway.wait_until_ended()
    second = start()
    assert second.request("GET", "/api/status", token=token).status == 200
    assert audited(second) == {"gateway.auth.auto_generated_token": ["info"]}, "the second start generated nothing"


def test_row_208_one_that_no_file_holds_is_told_of_too(home: Path, start: Start) -> None:
    write_config(home, {})
    assert audited(start("--no-persist-token")) == {"gateway.auth.auto_generated_token": ["info"]}


@pytest.mark.parametrize(("marker", "code"), [("", 1), ("systemd", 78)])
def test_strict_security_refuses_the_start(home: Path, start: Start, marker: str, code: int) -> None:
    write_config(home, {"gateway": {**OPEN, "security": {"strict": True}}})
    gateway = start(ready=False, XOPC_SERVICE_MARKER=marker)
    assert gateway.wait_until_ended() == code
    assert "Gateway refused to start: " in gateway.text
    assert "$.gateway.auth.mode: " in gateway.text
    assert "gateway.auth.none_on_network" in gateway.text
    assert "$.gateway.auth.rateLimit: " in gateway.text


def test_strict_security_of_the_environment_refuses_the_start(home: Path, start: Start) -> None:
    write_config(home, {"gateway": OPEN})
    gateway = start(ready=False, XOPC_GATEWAY_STRICT_SECURITY="1")
    assert gateway.wait_until_ended() == 1
    assert "gateway.auth.none_on_network" in gateway.text


def test_strict_security_refuses_a_restart_and_the_gateway_goes_on(home: Path, gateway: Gateway) -> None:
    write_config(home, {"gateway": {**OPEN, "security": {"strict": True}}})
    done = gateway.xopc("gateway", "restart", "--wait", "30s")
    assert done.returncode == 1
    assert "gateway.auth.none_on_network" in done.stderr
    assert gateway.request("GET", "/api/status").status == 200
    assert gateway.health()["generation"] == 1


def test_strict_security_starts_what_is_safe(home: Path, start: Start) -> None:
    strict = {"bind": "lan", "corsOrigins": DESK, "security": {"strict": True}}
    write_config(home, {"gateway": {**strict, "auth": {"token": TOKEN, "rateLimit": {"maxAttempts": 5}}}})
    assert audited(start()) == {"gateway.transport.no_tls": ["warn"], "gateway.bind.all_interfaces": ["warn"]}


def test_the_three_lines_go_to_standard_error(home: Path) -> None:
    write_config(home, {"gateway": OPEN})
    environ = {"XOPC_HOME": str(home), "HOME": str(home), "PATH": "/usr/bin:/bin", "XOPC_LOG_CONSOLE": "false"}
    (home / ".xopc" / "locks").write_text("in the way, so that nothing stays running")
    done = run_xopc("gateway", "--port", "0", environ=environ, cwd=home)
    assert done.returncode == 1
    assert len([line for line in done.stderr.splitlines() if line.startswith("⚠️")]) == 3
    assert "WARNING" not in done.stdout


def doctor(gateway: Gateway, code: int, **environ: str) -> dict[str, list[str]]:
    """The ids of the faults of each check."""
    done = gateway.xopc("doctor", "--json", **environ)
    assert done.returncode == code, done.stdout + done.stderr
    checks: Any = json.loads(done.stdout)["checks"]
    return {check["id"]: [fault["checkId"] for fault in check["faults"]] for check in checks}


def test_the_doctor_finds_nothing_wrong_with_a_new_gateway(home: Path, start: Start) -> None:
    (home / ".xopc" / "xopc.json").unlink()
    gateway = start()
    assert set(map(tuple, doctor(gateway, 0).values())) == {()}
    assert gateway.xopc("doctor").stdout.endswith("✅ Nothing is wrong.\n")


def test_the_doctor_finds_a_broken_file_and_another_credential(home: Path, gateway: Gateway) -> None:
    found = doctor(gateway, 0, XOPC_GATEWAY_TOKEN="fedcba9876543210fedcba9876543210")
    assert found["gateway.credential"] == ["gateway.auth-drift"]
    write_config(home, "{broken").chmod(0o644)
    found = doctor(gateway, 1)
    assert found["config.file"] == ["config.invalid"]
    assert found["files.permissions"] == ["files.permissions"]
    assert found["gateway.running"] in ([], ["gateway.configuration"]), "it may have looked at the file already"
