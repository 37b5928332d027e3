from __future__ import annotations

import json
from pathlib import Path

import pytest
import structlog

from xopc.gateway.log.log import configure
from xopc.gateway.problems import HAND_OVER, STORAGE, Problems


def test_a_problem_stands_from_its_first_report_until_it_is_cleared() -> None:
    problems = Problems()
    assert problems.standing() == ()
    problems.report(STORAGE, "The disk is full.")
    (first,) = problems.standing()
    assert (first.code, first.message) == ("storage", "The disk is full.")
    assert first.since.endswith("Z")
    problems.report(STORAGE, "The disk fails.")
    (again,) = problems.standing()
    assert (again.message, again.since) == ("The disk fails.", first.since)
    problems.clear(STORAGE)
    problems.clear(STORAGE)
    assert problems.standing() == ()


def test_some_problems_degrade_and_some_do_not() -> None:
    problems = Problems()
    problems.report(HAND_OVER, "The new process could not take over.", degrades=False)
    assert not problems.degrades
    problems.report(STORAGE, "The disk is full.")
    assert problems.degrades
    assert [problem.code for problem in problems.standing()] == [HAND_OVER, STORAGE]
    problems.clear(STORAGE)
    assert not problems.degrades


def test_a_part_reports_in_one_word_what_it_has_and_when_it_is_over() -> None:
    problems = Problems()
    tell = problems.reporter(HAND_OVER, degrades=False)
    tell("It could not take over.")
    assert [problem.message for problem in problems.standing()] == ["It could not take over."]
    assert not problems.degrades
    tell(None)
    assert problems.standing() == ()


def test_each_change_is_logged_once(tmp_path: Path) -> None:
    problems = Problems()
    with configure(tmp_path, {"XOPC_LOG_CONSOLE": "off"}):
        for _ in range(2):
            problems.report(STORAGE, "The disk is full.")
        problems.clear(STORAGE)
        problems.clear(STORAGE)
    structlog.reset_defaults()
    (file,) = tmp_path.iterdir()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["level"], line["message"], line["problem"]) for line in lines] == [
        ("error", "The disk is full.", "storage"),
        ("info", "A problem is over.", "storage"),
    ]


def test_what_happens_again_is_new_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(["2026-11-20T12:00:00Z", "2026-11-20T12:00:05Z"])
    monkeypatch.setattr("xopc.gateway.problems.utc_now", lambda: next(times))
    problems = Problems()
    for _ in range(2):
        problems.report("hand-over", "no", degrades=False, happens=True)
    assert [problem.since for problem in problems.standing()] == ["2026-11-20T12:00:05Z"]
