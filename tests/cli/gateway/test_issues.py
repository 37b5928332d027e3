"""What `xopc gateway status` finds wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.gateway import TOKEN, configure, stranger
from xopc.cli.gateway.issues import Issue, find_issues
from xopc.cli.gateway.target import Target, find_target
from xopc.service.health import Answer
from xopc.service.ports import Listener, PortStatus, PortUse, inspect

HEALTHY = {"status": "healthy", "version": "0.1.0"}


def a_target(home: Path) -> Target:
    with stranger(home) as process:
        configure(home, port=process.port)
    return find_target(None)


def by_code(issues: tuple[Issue, ...]) -> dict[str, Issue]:
    return {issue.code: issue for issue in issues}


def test_a_quiet_place_has_no_issue(home: Path) -> None:
    assert find_issues(a_target(home), None, elsewhere=False) == ()
    assert find_issues(a_target(home), Answer(1, error="nobody"), elsewhere=False) == ()
    assert find_issues(a_target(home), None, elsewhere=True) == ()


def test_each_issue_has_its_cure(home: Path) -> None:
    (home / ".xopc").mkdir()
    (home / ".xopc" / "gateway.pid").write_text("1")
    with stranger(home) as process:
        configure(home, port=process.port, unknown=1)
        answer = Answer(1, {"status": "degraded", "version": "9"})
        issues = find_issues(find_target(None), answer, inspect(process.port), elsewhere=False)
    found = by_code(issues)
    assert list(found) == ["other-configuration", "config-warning", "degraded", "version-differs", "legacy-pid-file"]
    for issue in issues:
        assert issue.message.endswith(".")
        assert issue.hint
        assert set(issue.to_json()) == {"code", "message", "detail", "hint", "level"}
    assert "unknown" in found["config-warning"].message
    assert found["version-differs"].message == "Version 9 is running, and 0.1.0 is installed."
    assert f"pid={process.pid}" in found["other-configuration"].detail


def test_the_warnings_of_the_running_gateway_count_and_not_those_from_here(home: Path) -> None:
    target = a_target(home)
    answer = Answer(1, HEALTHY, {"warnings": ["$.a: is odd", '$.b: did you mean "c"?']})
    warnings = [issue for issue in find_issues(target, answer, elsewhere=False) if issue.code == "config-warning"]
    assert [issue.message for issue in warnings] == ["$.a: is odd.", '$.b: did you mean "c"?']
    assert warnings[0].hint == f"Look at {target.paths.config_path}."


def test_a_broken_configuration_is_required_to_be_mended(home: Path) -> None:
    a_target(home)
    configure(home, port="x")
    (issue,) = find_issues(find_target(None), None, elsewhere=False)
    assert (issue.code, issue.level) == ("config-invalid", "required")
    assert "$.gateway.port" in issue.detail


def test_what_the_gateway_says_of_a_broken_configuration_is_not_said_twice(home: Path) -> None:
    a_target(home)
    configure(home, port="x")
    target = find_target(None)
    assert target.config_error is not None
    told = f"The changed configuration is refused, and the gateway goes on as it was: {target.config_error.message}"
    problem = {"code": "configuration", "message": told, "since": "2026-11-26T10:00:00.000Z"}
    answer = Answer(1, HEALTHY, {"problems": [problem]})
    found = by_code(find_issues(target, answer, elsewhere=False))
    assert found["config-invalid"].detail == ""
    assert "$.gateway.port" in found["configuration"].message


@pytest.mark.parametrize(
    ("why", "cure"),
    [("its certificate is not trusted here (expired)", "SSL_CERT_FILE="), ("connection refused", "Look at the URL.")],
)
def test_a_certificate_that_is_not_trusted_is_told_with_how_to_trust_it(home: Path, why: str, cure: str) -> None:
    answer = Answer(1, error=f"https://gateway.example.com/api/health: {why}")
    (issue,) = find_issues(find_target(None), answer, elsewhere=True)
    assert issue.code == "no-answer"
    assert cure in issue.hint


def test_a_credential_that_was_not_shown_is_not_called_refused(home: Path) -> None:
    answer = Answer(1, HEALTHY, is_unauthorized=True, has_credential=False)
    (issue,) = find_issues(find_target(None), answer, elsewhere=True)
    assert issue.message.startswith("The configuration's token is not shown to another URL, and without one ")
    (home / ".xopc").mkdir()
    for auth, words in (("x", "No token is known here"), ({"token": TOKEN}, "not shown to a gateway without its lock")):
        configure(home, auth=auth)
        found = by_code(find_issues(find_target(None), answer, elsewhere=False))
        assert words in found["unauthorized"].message
        assert found["unauthorized"].hint == "Give the token that it was started with: --token"


def test_of_a_gateway_elsewhere_only_its_answer_counts(home: Path) -> None:
    a_target(home)
    configure(home, port="x")
    answer = Answer(1, HEALTHY, is_unauthorized=True)
    assert list(by_code(find_issues(find_target(None), answer, elsewhere=True))) == ["unauthorized"]


def test_why_nobody_answers_elsewhere_is_told(home: Path) -> None:
    answer = Answer(1, error="https://gateway.example.com: its certificate is not trusted here")
    (issue,) = find_issues(find_target(None), answer, elsewhere=True)
    assert issue.code == "no-answer"
    assert issue.message.endswith("https://gateway.example.com: its certificate is not trusted here.")


def test_a_degraded_gateway_says_by_which_problems_and_not_twice(home: Path) -> None:
    target = a_target(home)
    degraded = {"status": "degraded", "version": "0.1.0", "problems": ["storage", "log"]}
    (issue,) = find_issues(target, Answer(1, degraded), elsewhere=True)
    assert (issue.code, issue.message) == ("degraded", "The gateway is degraded: storage, log.")
    assert issue.hint == "See: xopc gateway logs"
    told = {"code": "storage", "message": "The disk is full", "since": "2026-01-01T00:00:00.000Z"}
    (issue,) = find_issues(target, Answer(1, degraded, {"problems": [told]}), elsewhere=True)
    assert (issue.code, issue.message) == ("storage", "The disk is full.")
    assert issue.detail.startswith("For ")
    assert issue.hint


def test_a_gateway_with_a_channel_that_failed_says_where_to_look(home: Path) -> None:
    degraded: dict[str, object] = {"status": "degraded", "version": "0.1.0", "problems": []}
    (issue,) = find_issues(a_target(home), Answer(1, degraded), elsewhere=True)
    assert (issue.code, issue.message) == ("degraded", "The gateway is degraded.")
    assert issue.hint == "See what has failed, and why: xopc gateway tree"


def test_a_socket_that_a_service_manager_keeps_for_the_next_start_is_in_nobodys_way(home: Path) -> None:
    target = a_target(home)
    manager = Listener(7, "127.0.0.1:1", "/lib/systemd/systemd --user", is_manager=True)
    other = Listener(8, "127.0.0.1:1", "python3 -m http.server")

    def codes(*listeners: Listener) -> list[str]:
        use = PortUse(1, PortStatus.BUSY, listeners)
        return [one.code for one in find_issues(target, None, use, elsewhere=False) if one.code == "port-in-use"]

    assert codes(manager) == []
    assert codes(manager, other) == ["port-in-use"]
