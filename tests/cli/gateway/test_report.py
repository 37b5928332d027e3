from __future__ import annotations

from pathlib import Path

import pytest

from xopc.cli.gateway.report import last_error


def line(level: str, message: str) -> str:
    return f'{{"timestamp": "2026-11-20T10:00:00.000", "level": "{level}", "message": "{message}"}}'


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], None),
        ([line("info", "fine"), line("warn", "odd")], None),
        ([line("error", "one"), line("fatal", "two"), line("info", "three")], "2026-11-20T10:00:00.000 two"),
        ([line("error", "one"), "5", "{}", "no json"], "2026-11-20T10:00:00.000 one"),
    ],
)
def test_the_last_thing_that_failed_is_told(tmp_path: Path, lines: list[str], told: str | None) -> None:
    (tmp_path / "app-2026-11-20.log").write_text("".join(f"{text}\n" for text in lines))
    assert last_error(tmp_path) == told


def test_a_log_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    assert last_error(tmp_path / "none") is None
    (tmp_path / "app-2026-11-20.log").mkdir()
    assert last_error(tmp_path) is None
