from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from xopc.core.logs.files import STEP_BYTES
from xopc.core.logs.scan import BUDGET_BYTES, in_steps
from xopc.core.logs.stats import MAX_MODULES, count, list_files, modules_in

NOW = datetime(2026, 1, 3, 12, tzinfo=UTC)


def line(level: str, module: str, at: datetime = NOW) -> str:
    timestamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"timestamp": timestamp, "level": level, "message": "x", "module": module}) + "\n"


def write(directory: Path, day: int, *lines: str) -> Path:
    path = directory / f"app-2026-01-{day:02}.log"
    path.write_text("".join(lines))
    return path


async def test_lines_are_counted_by_level_and_module(tmp_path: Path) -> None:
    day_ago = NOW - timedelta(hours=24)
    packed = tmp_path / "app-2026-01-01.log.gz"
    packed.write_bytes(gzip.compress(line("error", "xopc.server", day_ago).encode()))
    write(tmp_path, 2, line("fatal", "xopc.gateway", day_ago + timedelta(seconds=1)), "Killed\n", "\n")
    plain = write(tmp_path, 3, line("error", "xopc.server"), line("warn", "xopc.server"))
    stats = await in_steps(count(tmp_path, NOW))
    assert stats.by_level == {"trace": 0, "debug": 0, "info": 1, "warn": 1, "error": 2, "fatal": 1}
    assert stats.by_module == {"xopc.server": 3, "xopc.gateway": 1}
    assert [*stats.by_module] == ["xopc.server", "xopc.gateway"]
    assert (stats.lines, stats.complete, stats.errors24h) == (5, True, 2)
    assert stats.since == "2026-01-02T12:00:00.000Z"
    assert (stats.files, stats.bytes) == (
        3,
        packed.stat().st_size + plain.stat().st_size + (tmp_path / "app-2026-01-02.log").stat().st_size,
    )


async def test_the_newest_lines_are_counted_where_there_are_too_many(tmp_path: Path) -> None:
    one = line("info", "m" * 1000)
    many = BUDGET_BYTES // len(one) + 1000
    write(tmp_path, 1, *[line("error", "old")] * 10)
    write(tmp_path, 2, *[one] * many)
    stats = await in_steps(count(tmp_path, NOW))
    assert not stats.complete
    assert many - 1001 < stats.lines <= many - 999
    assert stats.by_level["error"] == 0
    assert sum(1 for _ in count(tmp_path, NOW)) >= BUDGET_BYTES // STEP_BYTES - 1, "it goes in steps"


async def test_so_many_modules_are_named(tmp_path: Path) -> None:
    often = [line("info", f"module-{number:03}") for number in range(MAX_MODULES)] * 2
    write(tmp_path, 1, *often, line("info", "seldom"))
    found = await in_steps(modules_in(tmp_path, NOW))
    assert found.modules == tuple(f"module-{number:03}" for number in range(MAX_MODULES))
    assert found.complete


async def test_without_files_there_is_nothing(tmp_path: Path) -> None:
    stats = await in_steps(count(tmp_path, NOW))
    assert (stats.files, stats.bytes, stats.lines, stats.since, stats.complete) == (0, 0, 0, None, True)
    assert list_files(tmp_path / "none").files == ()


def test_files_are_listed_newest_first_with_their_sizes(tmp_path: Path) -> None:
    write(tmp_path, 1, "a\n")
    write(tmp_path, 2, "abc\n")
    (tmp_path / "app-2026-01-02.log.gz").write_bytes(b"x")
    (tmp_path / "notes.txt").touch()
    assert [(file.name, file.size, file.date) for file in list_files(tmp_path).files] == [
        ("app-2026-01-02.log", 4, "2026-01-02"),
        ("app-2026-01-02.log.gz", 1, "2026-01-02"),
        ("app-2026-01-01.log", 2, "2026-01-01"),
    ]
