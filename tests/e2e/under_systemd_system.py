"""The service of a whole machine (`--system`) under a systemd that has booted: who it runs as, and what befalls it.

Like `under_systemd.py` not among the tests of `make test`; `.ci/run` runs both where that is possible.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.checks.repository import ROOT
from tests.e2e.harness import TOKEN, is_refused, until
from tests.e2e.load import Load
from tests.e2e.machine import UID, USER, Machine, machine
from tests.ports import free_port

UNIT = "xopc-gateway.service"
FILE = f"/etc/systemd/system/{UNIT}"
AUTH = {"Authorization": f"Bearer {TOKEN}"}

pytestmark = pytest.mark.timeout(300)  # a machine is booted, and each restart is a whole start


@pytest.fixture
def booted() -> Iterator[Machine]:
    with machine() as booted:
        yield booted


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def service(booted: Machine, port: int) -> Machine:
    """A machine with the service, installed and not started."""
    configure(booted, port)
    booted.sudo("gateway", "service", "install", "--system", BRAVE_API_KEY="sk-hush")
    return booted


def configure(one: Machine, port: object, token: str = TOKEN) -> None:
    one.write(".xopc/xopc.json", json.dumps({"gateway": {"port": port, "auth": {"token": token}}}))


def start(one: Machine) -> str:
    """Its process, as soon as it serves."""
    one.sudo("gateway", "service", "start", "--system")
    return one.show(UNIT, "MainPID")


def add_to_unit(one: Machine, text: str) -> None:
    folder = one.root / f"{FILE[1:]}.d"
    folder.mkdir(exist_ok=True)
    (folder / "own.conf").write_text(text)
    one.systemctl("daemon-reload")


def exposure(one: Machine) -> float:
    told = one.root_runs("systemd-analyze", "security", "--no-pager", UNIT)
    (figure,) = re.findall(r"Overall exposure level .*: ([0-9.]+)", told)
    return float(figure)


def test_from_installation_to_removal(booted: Machine, port: int) -> None:
    refused = booted.sudo("gateway", "service", "install", "--system", code=1)
    assert f"{USER} has no configuration of their own" in refused
    configure(booted, port)
    refused = booted.run("gateway", "service", "install", "--system", code=1)
    assert "sudo xopc gateway service install --system" in refused

    told = booted.sudo("gateway", "service", "install", "--system")
    assert "It starts with the machine. To have it now: sudo xopc gateway service start --system" in told
    assert booted.root_runs("systemd-analyze", "verify", FILE) == ""
    assert booted.show(UNIT, "ActiveState") == "inactive"
    booted.systemctl("start", "multi-user.target")
    until(lambda: booted.show(UNIT, "ActiveState") == "active", "it is started as at a boot")
    pid = booted.show(UNIT, "MainPID")
    assert booted.owners_of(UNIT) == [UID, UID], "supervisor and gateway are the person's"
    assert f"running (pid {pid})" in booted.run("gateway", "service", "status", "--system")
    assert "Gateway is running" in booted.run("gateway", "status")

    for words in (("service", "start", "--system"), ("service", "uninstall", "--system"), ("stop",)):
        assert "sudo " in booted.run("gateway", *words, code=1)
    roots = booted.root / "root/.xopc"
    roots.mkdir(mode=0o700)
    (roots / "xopc.json").write_text(json.dumps({"gateway": {"port": free_port()}}))
    for word in ("restart", "status", "stop"):
        assert f"For that of {USER} leave sudo out." in booted.sudo("gateway", word, code=None)
    assert booted.show(UNIT, "MainPID") == pid

    booted.systemctl("disable", "--now", UNIT)
    assert is_refused(port)
    booted.systemctl("start", "multi-user.target")
    assert booted.show(UNIT, "ActiveState") == "inactive"
    assert "sudo xopc gateway service start --system" in booted.run("gateway", "restart")
    start(booted)
    assert booted.show(UNIT, "UnitFileState") == "enabled"

    booted.sudo("gateway", "service", "uninstall", "--system")
    assert is_refused(port)
    assert booted.show(UNIT, "LoadState") == "not-found"
    assert booted.root_runs("find", "/etc/systemd/system", "-not", "-type", "d") == ""
    assert not (booted.home / ".xopc/service").exists()
    assert booted.root_runs("find", f"/home/{USER}", "-not", "-user", USER) == ""


def test_its_restarts_and_its_death_refuse_nobody(service: Machine, port: int) -> None:
    pid = start(service)
    with Load(port, "/api/status", AUTH).running() as load:
        service.run("gateway", "restart", "--wait", "30s")
        assert service.show(UNIT, "MainPID") == pid, "its user may not ask the manager, so it restarts in place"
        service.systemctl("restart", UNIT)
        assert (renewed := service.show(UNIT, "MainPID")) != pid
        service.sudo("gateway", "service", "start", "--system")
        assert service.show(UNIT, "MainPID") != renewed
    assert load.failures == []
    assert load.answered > 30

    with Load(port, "/api/status", AUTH).running() as load:
        service.systemctl("kill", "--kill-who=main", "--signal=KILL", UNIT)
        until(lambda: service.show(UNIT, "NRestarts") == "1", "systemd starts it again")  # after the 5 s of RestartSec
        until(lambda: service.show(UNIT, "ActiveState") == "active", "it serves")
    assert not [failure for failure in load.failures if failure.startswith("ConnectionRefusedError")]
    assert len(load.failures) <= 4, "what was being answered is torn; each client has one request in flight"


def test_a_broken_configuration_stays_down_until_it_is_mended(service: Machine, port: int) -> None:
    pid = start(service)
    configure(service, "high")
    refused = service.sudo("gateway", "service", "start", "--system", code=1)
    assert "$.gateway.port: must be a whole number" in refused
    assert service.show(UNIT, "MainPID") == pid
    service.systemctl("restart", UNIT, code=1)
    assert service.show(UNIT, "ExecMainStatus") == "78"
    time.sleep(6)  # RestartSec is 5 s
    assert (service.show(UNIT, "ActiveState"), service.show(UNIT, "NRestarts")) == ("failed", "0")
    assert is_refused(port)
    configure(service, port)
    start(service)
    assert not is_refused(port)


def test_what_root_keeps_as_a_credential_opens_the_door_to_whoever_may_not_read_it(service: Machine, port: int) -> None:
    kept = service.root / "etc/xopc-token"
    kept.write_text(f"{TOKEN}\n")
    kept.chmod(0o600)
    add_to_unit(service, "[Service]\nLoadCredential=token:/etc/xopc-token\n")
    configure(service, port, "${credential:token}")
    start(service)
    told = service.sudo("gateway", "service", "install", "--system", "--force")
    assert "To have the new: sudo xopc gateway service start --system" in told
    service.systemctl("restart", UNIT)
    with Load(port, "/api/status", AUTH).running() as load:
        time.sleep(0.5)
    assert load.failures == []
    assert load.answered > 0
    seen = (
        service.systemctl("cat", UNIT) + service.systemctl("show", UNIT) + service.root_runs("journalctl", "--no-pager")
    )
    assert not [secret for secret in (TOKEN, "sk-hush") if secret in seen]


def test_its_hardening_is_what_the_documentation_says(service: Machine, port: int) -> None:
    docs = ROOT / "docs"
    (said,) = re.findall(r"one of the whole\s+machine (\d\.\d)", (docs / "explanation/services.md").read_text("utf-8"))
    assert exposure(service) == pytest.approx(float(said), abs=0.2), "versions of systemd differ a little"
    (settings,) = re.findall(r"(?s)```ini\n(.*?)```", (docs / "how-to/install-as-a-service.md").read_text("utf-8"))
    add_to_unit(service, settings)
    assert exposure(service) < float(said) - 2
    start(service)
    assert service.run("agent", "Hello!").strip()
