from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.gateway import TOKEN, configure
from xopc.cli.doctor.check import Fault, Result, Sight
from xopc.cli.doctor.configuration import look_at_file, look_at_security
from xopc.cli.gateway.target import find_target
from xopc.config.audit import Severity


def seen() -> Result:
    return look_at_file(Sight(find_target(None)))


def audited() -> Result:
    return look_at_security(Sight(find_target(None)))


def test_a_file_that_validates(home: Path) -> None:
    path = configure(home)
    assert seen() == Result(f"{path} validates")


def test_no_file_is_no_fault(home: Path) -> None:
    assert seen().faults == ()
    assert "the defaults are in force" in seen().summary


def test_each_problem_is_a_fault_with_its_place(home: Path) -> None:
    path = configure(home, port="x", standby=5)
    first, second = seen().faults
    assert first == Fault(
        "config.invalid",
        Severity.CRITICAL,
        "The configuration does not validate",
        f"$.gateway.port ({path})",
        "must be a whole number, not a text of length 1",
        "Mend it. A gateway that runs goes on as it is, but the next start is refused.",
    )
    assert second.where == f"$.gateway.standby ({path})"


def test_a_file_that_is_no_json_is_told_with_line_and_column(home: Path) -> None:
    path = configure(home)
    path.write_text("{\n  gateway: }")
    (fault,) = seen().faults
    assert fault.where == str(path)
    assert "line 2, column" in fault.detail


def test_what_is_odd_is_to_be_looked_at(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = configure(home, prot=1)
    monkeypatch.setenv("XOPC_GATEWAY_AUTH_MODE", "maybe")
    key, variable = seen().faults
    assert (key.check_id, key.severity, key.where) == ("config.warning", Severity.WARN, "$.gateway.prot")
    assert 'did you mean "port"?' in key.detail
    assert key.remediation == f"Look at {path}."
    assert (variable.where, variable.remediation) == ("XOPC_GATEWAY_AUTH_MODE", "Look at XOPC_GATEWAY_AUTH_MODE.")


def test_the_audit_is_told_with_its_own_ids(home: Path) -> None:
    configure(home, bind="lan", auth={"mode": "none"})
    faults = {fault.check_id: fault for fault in audited().faults}
    assert faults["gateway.auth.none_on_network"].severity is Severity.CRITICAL
    assert faults["gateway.auth.none_on_network"].where == "$.gateway.auth.mode"
    assert faults["gateway.bind.all_interfaces"].severity is Severity.WARN
    configure(home, auth={"token": TOKEN})
    assert audited() == Result("The security audit finds nothing")


def test_what_does_not_validate_cannot_be_audited(home: Path) -> None:
    configure(home, port="x")
    assert audited().skipped
