from __future__ import annotations

from attrs import evolve

from xopc.service.audit.standing import Standing, findings_of
from xopc.service.managers.base import Runtime, RuntimeStatus

START = "xopc gateway service start"
RUNNING = Standing(True, Runtime(RuntimeStatus.RUNNING, 4100), 4100, lingers=True, user="robin")


def codes(standing: Standing) -> list[str]:
    return [finding.code for finding in findings_of(standing, START)]


def test_a_service_that_runs_the_gateway_is_fine() -> None:
    assert codes(RUNNING) == []
    assert codes(evolve(RUNNING, lingers=None)) == []


def test_a_service_that_is_stopped_like_its_gateway_is_fine() -> None:
    assert codes(evolve(RUNNING, runtime=Runtime(RuntimeStatus.STOPPED, None, 0), owner_pid=None)) == []


def test_a_gateway_that_was_started_by_hand_is_told() -> None:
    (finding,) = findings_of(evolve(RUNNING, runtime=Runtime(RuntimeStatus.STOPPED)), START)
    assert (finding.code, finding.level) == ("not-by-service", "recommended")
    assert finding.message == "The gateway that runs (pid 4100) is not the service's."
    assert finding.hint == f"Run: xopc gateway stop; {START}"


def test_a_service_that_has_not_got_the_lock_is_told() -> None:
    assert codes(evolve(RUNNING, owner_pid=None)) == ["service-without-lock"]


def test_a_service_that_refused_its_configuration_is_told() -> None:
    down = evolve(RUNNING, runtime=Runtime(RuntimeStatus.STOPPED, None, 78), owner_pid=None)
    (finding,) = findings_of(down, START)
    assert finding.message == "The service refused its configuration (exit code 78), and stays down."
    assert codes(evolve(down, runtime=Runtime(RuntimeStatus.STOPPED, None, 1))) == ["service-failed"]


def test_a_manager_that_does_not_tell_is_told() -> None:
    untold = evolve(RUNNING, runtime=Runtime(RuntimeStatus.UNKNOWN, state="no bus"), is_loaded=False)
    (finding,) = findings_of(untold, START)
    assert (finding.code, finding.level, finding.detail) == ("service-unknown", "aggressive", "no bus")


def test_a_service_that_its_manager_starts_again_is_told_with_how_it_ended() -> None:
    crashing = evolve(
        RUNNING, runtime=Runtime(RuntimeStatus.UNKNOWN, None, 1, "activating (auto-restart), exit-code"), owner_pid=None
    )
    (finding,) = findings_of(crashing, START)
    assert (finding.code, finding.level) == ("service-restarting", "recommended")
    assert finding.message == "The service ended with exit code 1, and its manager starts it again."
    killed = evolve(crashing, runtime=Runtime(RuntimeStatus.UNKNOWN, None, 9, "activating (auto-restart), signal"))
    assert findings_of(killed, START)[0].message == "The service ended by signal 9, and its manager starts it again."


def test_a_service_on_its_way_is_no_fault() -> None:
    starting = evolve(RUNNING, runtime=Runtime(RuntimeStatus.UNKNOWN, 4100, 0, "activating (start)"))
    (finding,) = findings_of(starting, START)
    assert (finding.code, finding.level) == ("service-changing", "aggressive")


def test_a_disabled_service_is_worse_while_its_gateway_runs() -> None:
    disabled = evolve(RUNNING, is_loaded=False)
    (running,) = findings_of(disabled, START)
    assert (running.code, running.level) == ("service-disabled", "recommended")
    (stopped,) = findings_of(evolve(disabled, runtime=Runtime(RuntimeStatus.STOPPED), owner_pid=None), START)
    assert (stopped.code, stopped.level) == ("service-disabled", "aggressive")


def test_a_service_that_ends_with_the_login_is_told() -> None:
    (finding,) = findings_of(evolve(RUNNING, lingers=False), START)
    assert (finding.code, finding.hint) == ("no-linger", "Run: loginctl enable-linger robin")
