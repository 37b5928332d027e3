from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.gateway import TOKEN, configure, running_gateway, stranger
from xopc.cli.doctor.check import Check, Fault, Result, Sight, of_issues
from xopc.cli.gateway.issues import Issue
from xopc.cli.gateway.target import find_target
from xopc.config.audit import Severity


def test_a_result_says_what_was_seen_where_there_is_no_fault() -> None:
    fault = Fault("a.b", Severity.INFO, "It is so", "here", "", "Mend it.")
    assert Result.of([], "All is well") == Result("All is well")
    assert Result.of([fault], "All is well") == Result("", (fault,))


def test_a_gateway_that_has_the_lock_is_asked_with_the_credential_and_once(home: Path) -> None:
    with running_gateway(home) as gateway:
        sight = Sight(find_target(None))
        assert sight.answer is sight.answer
        assert sight.answer is not None
        assert sight.answer.details["authMode"] == "token"
        assert gateway.requests() == ["/api/health None", f"/api/status Bearer {TOKEN}"]
        assert sight.use is not None
        assert sight.issues == ()


def test_a_stranger_at_the_port_does_not_see_the_credential(home: Path) -> None:
    with stranger(home) as process:
        configure(home, port=process.port)
        sight = Sight(find_target(None))
        assert [issue.code for issue in sight.issues] == ["port-in-use"]


def test_where_the_port_is_not_known_nobody_is_asked(home: Path) -> None:
    configure(home, port="x")
    sight = Sight(find_target(None))
    assert (sight.answer, sight.use) == (None, None)


def test_what_the_system_does_not_show_is_a_fault(home: Path) -> None:
    def look(_: Sight) -> Result:
        raise PermissionError(13, "Permission denied", "/srv/xopc")

    (fault,) = Check("files.some", "files", look).run(Sight(find_target(None))).faults
    assert (fault.check_id, fault.severity) == ("files.some.unseen", Severity.CRITICAL)
    assert fault.where == "/srv/xopc: Permission denied"


@pytest.mark.parametrize(("level", "severity"), [("required", Severity.CRITICAL), ("recommended", Severity.WARN)])
def test_an_issue_of_the_status_is_a_fault(level: str, severity: Severity) -> None:
    issue = Issue("stopping", "The gateway is stopping.", "Wait.", "a detail", level)
    assert of_issues("gateway", "here", [issue]) == (
        Fault("gateway.stopping", severity, "The gateway is stopping", "here", "a detail", "Wait."),
    )
