"""What every restart has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.gateway import Behaviour, configure, running_gateway
from xopc.cli.gateway.restarting import mark_of, tell, watch
from xopc.cli.gateway.target import find_target
from xopc.service.awaiting import Outcome
from xopc.service.managers.base import Runtime, RuntimeStatus
from xopc.service.sight import Step
from xopc_supervisor.contract import LockInfo


def test_what_runs_is_marked_by_its_generation(home: Path) -> None:
    with running_gateway(home):
        target = find_target(None)
        assert target.owner is not None
        mark = mark_of(target, "9.9.9")
    assert (mark.pid, mark.generation, mark.expected_version) == (target.owner.pid, 1, "9.9.9")


def test_a_gateway_that_does_not_answer_is_marked_all_the_same(home: Path) -> None:
    with running_gateway(home, Behaviour(health_code=500)):
        assert mark_of(find_target(None), None).generation is None


def test_where_nobody_runs_that_is_the_mark(home: Path) -> None:
    assert mark_of(find_target(None), "9.9.9").pid == 0


def test_whoever_answers_for_another_boot_does_not_see_the_credential(home: Path) -> None:
    with running_gateway(home, Behaviour(problems=("hand-over",))) as gateway:
        path = find_target(None).paths.lock_path
        info = LockInfo.from_json(path.read_text())
        assert info is not None
        path.write_text(info._replace(boot_id="an-earlier-boot").to_json())
        mark_of(find_target(None), None)
        assert {request.split()[1] for request in gateway.requests()} == {"None"}


def test_a_manager_that_names_no_process_is_believed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home):
        target = find_target(None)
        mark = mark_of(target, None)
        snapshot = watch(target, mark, 0.2, as_json=False, runtime=lambda: Runtime(RuntimeStatus.RUNNING))
    assert snapshot.outcome is Outcome.STALE_PIDS
    assert snapshot.last.failed is Step.PROCESS
    assert set(capsys.readouterr().out) == {".", "\n"}


def test_what_came_of_it_is_told_with_what_is_odd(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home, port="high")
    target = find_target(None)
    assert tell(target, "restarted", "Done.", ["Odd."], as_json=True) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["result"], shown["warnings"][0]) == ("restarted", "Odd.")
    assert shown["warnings"][1].startswith("The configuration does not validate here: ")
