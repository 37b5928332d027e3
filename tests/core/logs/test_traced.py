from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from datetime import date
from pathlib import Path
from typing import TypeVar

from xopc.core.logs import traced as module
from xopc.core.logs.traced import Told, find_lines, related

T = TypeVar("T")


def write(folder: Path, day: str, *lines: Mapping[str, object] | str) -> None:
    texts = [line if isinstance(line, str) else json.dumps({"level": "info", "message": "m", **line}) for line in lines]
    folder.mkdir(exist_ok=True)
    (folder / f"app-{day}.log").write_text("".join(f"{text}\n" for text in texts))


def run(steps: Generator[None, None, T]) -> T:
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def numbers(told: Told) -> list[object]:
    return [line["n"] for line in told.lines]


def test_lines_of_a_run_or_a_message_are_found_the_oldest_first(tmp_path: Path) -> None:
    write(tmp_path, "2026-01-01", {"run": "r", "n": 1}, {"run": "other", "n": 2})
    write(
        tmp_path,
        "2026-01-02",
        {"messageId": "m", "n": 3},
        {"message": "it says r and m", "n": 4},
        {"runId": "r", "n": 5},
        "no log line, with r in it",
    )
    told = run(find_lines(tmp_path, {"r", "m"}))
    assert (numbers(told), told.is_complete) == ([1, 3, 5], True)
    assert related(told.lines) == {"r", "m"}


def test_ids_of_platforms_lead_to_them_too(tmp_path: Path) -> None:
    write(
        tmp_path,
        "2026-01-01",
        {"messageId": "m", "platformMessageIds": ["17", "18"], "n": 1},
        {"run": "r", "dedupeKey": "telegram:17", "platformMessageId": "17", "n": 2},
        {"n": 17},
    )
    assert numbers(run(find_lines(tmp_path, {"17"}))) == [1, 2]
    assert numbers(run(find_lines(tmp_path, {"telegram:17"}))) == [2]


def test_older_days_are_not_looked_at(tmp_path: Path) -> None:
    write(tmp_path, "2026-01-01", {"run": "r", "n": 1})
    write(tmp_path, "2026-01-09", {"run": "r", "n": 2})
    assert numbers(run(find_lines(tmp_path, {"r"}, date(2026, 1, 9)))) == [2]


def test_of_a_long_log_the_newest_is_looked_at_and_that_is_told(tmp_path: Path) -> None:
    write(tmp_path, "2026-01-01", *({"run": "r", "n": n} for n in range(100)))
    told = run(find_lines(tmp_path, {"r"}, budget=500))
    assert not told.is_complete
    assert numbers(told)[-1] == 99


def test_so_many_lines_at_most(tmp_path: Path) -> None:
    write(tmp_path, "2026-01-01", *({"run": "r", "n": n} for n in range(module.MAX_LINES + 5)))
    told = run(find_lines(tmp_path, {"r"}))
    assert (len(told.lines), told.is_complete) == (module.MAX_LINES, False)
