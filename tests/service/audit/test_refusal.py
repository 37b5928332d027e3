"""What a service would refuse."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from attrs import evolve

from tests.fakes.gateway import TOKEN, configure
from tests.fakes.service_managers import FakeManagers
from xopc.cli.gateway.service.install import install
from xopc.cli.gateway.target import find_target
from xopc.service.audit.audited import audit_service
from xopc.service.audit.refusal import known_by, refusal_of
from xopc.service.managers.base import Installed
from xopc.service.managers.find import find_manager


@pytest.fixture
def service(home: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    managers = FakeManagers(home)
    for name, value in managers.environ.items():
        monkeypatch.setenv(name, value)
    configure(home)
    assert install() == 0
    manager = find_manager(managers.environ)
    installed = manager.read() if manager is not None else None
    assert installed is not None
    return installed


def codes() -> list[str]:
    target = find_target(None)
    manager = find_manager(target.environ)
    assert manager is not None
    found = audit_service(manager, target.environ, target.paths)
    assert found is not None
    return [finding.code for finding in found.findings if finding.code != "temporary-program"]


def test_what_would_start_is_not_refused(service: Installed) -> None:
    assert refusal_of(service, None) is None


def test_what_the_service_knows_is_what_counts(home: Path, service: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOT", "1:a")
    configure(home, auth={"token": "${BOT}"})
    assert "the environment variable BOT is not set" in (refusal_of(service, None) or "")
    (home / ".xopc" / ".env").write_text("BOT=0123456789abcdef0123\n")
    assert refusal_of(service, None) is None, "its gateway works in that directory"


def test_what_the_running_process_knows_counts_too(
    home: Path, service: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(home, auth={"token": "${BOT}"})
    with subprocess.Popen(["sleep", "60"], env={"BOT": "0123456789abcdef0123", "XOPC_PROFILE": "x"}) as process:
        try:
            assert refusal_of(service, process.pid) is None
            assert known_by(process.pid) == {"BOT": "0123456789abcdef0123"}
        finally:
            process.kill()
    assert known_by(None) == known_by(process.pid) == {}


def test_what_a_manager_hands_over_at_the_start_shows_only_then(home: Path, service: Installed) -> None:
    configure(home, auth={"token": "${credential:bot}"})
    assert "credential bot" in (refusal_of(service, None) or "")
    handed = evolve(service, settings={**service.settings, "LoadCredential": "bot:/a"})
    assert refusal_of(handed, None) is None


def test_lost_secrets_are_a_refusal(service: Installed) -> None:
    Path(service.environment["XOPC_SERVICE_SECRETS"]).unlink()
    assert "secrets cannot be read" in (refusal_of(service, None) or "")


def test_the_audit_finds_a_service_with_the_token_of_a_configuration_that_has_a_password_now(
    home: Path, service: Installed
) -> None:
    assert codes() == []
    configure(home, auth={"mode": "password", "password": f"{TOKEN}-a-password"})
    assert codes() == ["would-refuse"]
    assert install(force=True) == 0
    assert codes() == []


def test_the_audit_tells_a_lost_file_and_a_broken_configuration_once(home: Path, service: Installed) -> None:
    Path(service.environment["XOPC_SERVICE_SECRETS"]).unlink()
    assert codes() == ["secrets-file-missing"]
    configure(home, port="x")
    assert codes() == ["secrets-file-missing"]


def test_no_program_is_run_for_the_secrets_of_other_sections(home: Path, service: Installed) -> None:
    ran = home / "ran"
    configure(home)
    path = home / ".xopc" / "xopc.json"
    document = json.loads(path.read_text())
    document["secrets"] = {"commands": {"a": {"command": ["/bin/sh", "-c", f"touch {ran}; echo secret"]}}}
    document["channels"] = {"telegram": {"accounts": {"default": {"botToken": "${command:a}"}}}}
    path.write_text(json.dumps(document))
    assert codes() == []
    assert not ran.exists()
