from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.gateway import TOKEN, Behaviour, configure, running_gateway, stranger
from tests.fakes.service_managers import FakeManagers
from xopc.cli.doctor.check import Fault, Result, Sight
from xopc.cli.doctor.gateway import look_at_credential, look_at_gateway, look_at_port
from xopc.cli.gateway.service.install import install
from xopc.cli.gateway.target import find_target
from xopc.config.audit import Severity

OTHER = "another-token-that-it-was-started-with"


def looked(look: Callable[[Sight], Result]) -> Result:
    return look(Sight(find_target(None)))


def the_fault(look: Callable[[Sight], Result]) -> Fault:
    (fault,) = looked(look).faults
    return fault


@pytest.fixture
def free_port(home: Path) -> int:
    """One that nobody has, in the configuration."""
    with stranger(home) as process:
        configure(home, port=process.port)
    return process.port


def test_one_that_does_not_run_is_no_fault(free_port: int) -> None:
    assert looked(look_at_gateway) == Result("It does not run. Start it with: xopc gateway")
    assert looked(look_at_credential).skipped
    assert looked(look_at_port) == Result(f"Port {free_port} is free")


def test_one_that_is_well_has_no_fault(home: Path) -> None:
    with running_gateway(home) as gateway:
        seen = looked(look_at_gateway)
        assert seen.faults == ()
        assert seen.summary.startswith(f"It runs (pid {gateway.pid}), and answers at http://127.0.0.1:{gateway.port} ")
        assert looked(look_at_credential).faults == ()
        assert looked(look_at_port) == Result(f"Port {gateway.port} is the gateway's")


def test_its_own_problems_are_told(home: Path) -> None:
    with running_gateway(home, Behaviour(problems=("storage",))):
        fault = the_fault(look_at_gateway)
    assert (fault.check_id, fault.title) == ("gateway.storage", "storage: a message")


def test_one_that_does_not_answer_is_critical(home: Path) -> None:
    with running_gateway(home, Behaviour(health_code=500)):
        fault = the_fault(look_at_gateway)
        assert (fault.check_id, fault.severity) == ("gateway.no-answer", Severity.CRITICAL)
        assert looked(look_at_credential).skipped


def test_another_credential_than_that_of_the_file_is_a_drift(home: Path) -> None:
    configure(home)
    with running_gateway(home, Behaviour(token=OTHER)):
        fault = the_fault(look_at_credential)
        assert (fault.check_id, fault.severity) == ("gateway.auth-drift", Severity.WARN)
        assert "refuses the credential of the configuration" in fault.title
        assert looked(look_at_gateway).faults == (), "it is told once"


def test_no_credential_where_one_is_asked_for_is_a_drift(home: Path) -> None:
    configure(home, auth={"mode": "none"})
    with running_gateway(home):
        assert "none is known here" in the_fault(look_at_credential).title


def test_another_mode_than_that_of_the_file_is_a_drift(home: Path) -> None:
    configure(home, auth={"mode": "password", "password": TOKEN})
    with running_gateway(home):
        fault = the_fault(look_at_credential)
    assert fault.title == "The running gateway has the auth mode token, and the configuration says password"
    assert fault.remediation == "xopc gateway restart"


def test_a_service_that_brings_another_token_is_to_be_written_anew_before_it_is_restarted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeManagers(home) as managers, running_gateway(home) as gateway:
        for name, value in managers.environ.items():
            monkeypatch.setenv(name, value)
        assert install() == 0
        configure(home, port=gateway.port, auth={"token": OTHER})
        cure = the_fault(look_at_credential).remediation
    assert cure.startswith("xopc gateway service install --force, then: xopc gateway restart; or set ")


def test_what_a_broken_file_wants_is_not_known(home: Path) -> None:
    path = configure(home)
    with running_gateway(home):
        path.write_text("{")
        assert looked(look_at_credential).skipped


def test_a_stranger_at_the_port_is_named(home: Path) -> None:
    with stranger(home) as process:
        configure(home, port=process.port)
        seen = looked(look_at_port)
    (fault,) = seen.faults
    assert seen.summary == f"Port {process.port} is in use"
    assert (fault.check_id, fault.severity, fault.where) == (
        "port.port-in-use",
        Severity.CRITICAL,
        f"port {process.port}",
    )
    assert f"pid={process.pid}" in fault.detail


def test_without_a_configuration_the_port_is_not_known(home: Path) -> None:
    configure(home, port="x")
    assert looked(look_at_port).skipped
