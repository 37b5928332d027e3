"""What the doctor looks at, and how it tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.gateway import configure
from xopc.cli.doctor.check import Check, Fault, Result
from xopc.cli.doctor.examination import CHECKS, examine, faults_of, to_text
from xopc.config.audit import Severity


def test_each_check_comes_to_something_in_its_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home / "bin"))  # no service manager of whoever runs the tests is asked
    configure(home, port="x")
    results = examine(None)
    assert tuple(results) == CHECKS
    assert "config.invalid" in {fault.check_id for fault in faults_of(results)}


def test_a_section_is_named_once_and_nothing_of_a_fault_moves_the_cursor() -> None:
    fault = Fault("a.b", Severity.INFO, "so\x1b[2J", "here", "one\ntwo", "Mend it.")
    first, second = Check("a.b", "odd things", lambda _: Result("")), Check("a.c", "odd things", lambda _: Result(""))
    text = to_text({first: Result("", (fault,)), second: Result("it is dark", skipped=True)})
    assert text == (
        "Odd Things\nℹ️  so�[2J\n   here [a.b]\n   one\n   two\n   💡 Mend it.\n➖ Not looked at: it is dark"
    )
