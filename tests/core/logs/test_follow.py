"""Lines as they are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xopc.contracts.api.logs import LogFilter, LogLevel
from xopc.core.logs.files import STEP_BYTES
from xopc.core.logs.follow import LogFollower
from xopc.core.logs.query import Cursor


def write(directory: Path, day: int, *texts: str, level: str = "info") -> Path:
    path = directory / f"app-2026-01-{day:02}.log"
    with path.open("a") as file:
        file.writelines(json.dumps({"level": level, "message": text}) + "\n" for text in texts)
    return path


def follow(directory: Path, last_id: str | None = None, query: LogFilter | None = None) -> LogFollower:
    follower = LogFollower(directory, query or LogFilter())
    follower.start(last_id)
    return follower


def read(follower: LogFollower) -> list[str]:
    return [entry["message"] for _, entry in follower.read().lines]


def test_what_is_written_from_now_on_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, 1, "before")
    follower = follow(tmp_path)
    assert read(follower) == []
    write(tmp_path, 1, "a", "b")
    assert read(follower) == ["a", "b"]
    assert read(follower) == []


def test_it_goes_on_through_midnight_and_loses_nothing(tmp_path: Path) -> None:
    write(tmp_path, 1, "before")
    follower = follow(tmp_path)
    write(tmp_path, 1, "a")
    write(tmp_path, 2, "b")
    write(tmp_path, 3, "c")
    assert read(follower) == ["a", "b", "c"]
    write(tmp_path, 3, "d")
    assert read(follower) == ["d"]


def test_a_clock_that_was_set_back_or_forth_hides_nothing(tmp_path: Path) -> None:
    write(tmp_path, 2, "today")
    follower = follow(tmp_path)
    write(tmp_path, 9, "a leap")
    assert read(follower) == ["a leap"]
    write(tmp_path, 2, "back")
    write(tmp_path, 1, "an earlier day")
    assert read(follower) == ["an earlier day", "back"]
    write(tmp_path, 2, "more")
    assert read(follow(tmp_path, follower.id)) == ["more", "a leap"]
    assert read(follower) == ["more"]


def test_a_line_is_read_when_it_is_complete(tmp_path: Path) -> None:
    path = write(tmp_path, 1, "a")
    with path.open("a") as file:
        file.write('{"message": "be')
        file.flush()
        follower = follow(tmp_path)
        assert read(follower) == []
        file.write('gun"}\n')
    assert read(follower) == ["begun"]


def test_it_waits_for_the_first_file(tmp_path: Path) -> None:
    follower = follow(tmp_path / "logs")
    assert follower.id is None
    assert read(follower) == []
    (tmp_path / "logs").mkdir()
    write(tmp_path / "logs", 1, "first")
    assert read(follower) == ["first"]


def test_it_goes_on_after_files_were_removed_or_emptied(tmp_path: Path) -> None:
    path = write(tmp_path, 1, "a long line before it all")
    follower = follow(tmp_path)
    path.unlink()
    assert read(follower) == []
    write(tmp_path, 1, "anew")
    assert read(follower) == ["anew"]
    write(tmp_path, 1, "more")
    assert read(follower) == ["more"]
    path.write_text("")
    write(tmp_path, 1, "again")
    assert read(follower) == ["again"]
    path.write_text("")
    assert read(follower) == []
    write(tmp_path, 1, "a longer line than before")
    assert read(follower) == ["a longer line than before"]


def test_only_lines_that_match_are_given(tmp_path: Path) -> None:
    write(tmp_path, 1)
    follower = follow(tmp_path, query=LogFilter(level=(LogLevel.ERROR,)))
    write(tmp_path, 1, "no")
    write(tmp_path, 1, "yes", level="error")
    assert read(follower) == ["yes"]


def test_whoever_comes_back_with_an_id_misses_nothing(tmp_path: Path) -> None:
    write(tmp_path, 1)
    follower = follow(tmp_path)
    write(tmp_path, 1, "a", "b", "c")
    ids = [line_id for line_id, _ in follower.read().lines]
    write(tmp_path, 2, "d")
    assert read(follow(tmp_path, ids[0])) == ["b", "c", "d"]
    assert read(follow(tmp_path, ids[2])) == ["d"]
    assert follow(tmp_path, ids[2]).id == ids[2]


@pytest.mark.parametrize("last_id", ["0", "b00t-1", "../../etc/passwd", "ä", ""])
def test_an_id_that_leads_nowhere_is_told_and_the_lines_are_new_ones(tmp_path: Path, last_id: str) -> None:
    write(tmp_path, 1, "before")
    follower = LogFollower(tmp_path, LogFilter())
    assert not follower.start(last_id)
    write(tmp_path, 1, "a")
    assert read(follower) == ["a"]


def test_an_id_of_a_file_that_is_gone_leads_nowhere(tmp_path: Path) -> None:
    path = write(tmp_path, 1, "before")
    last_id = follow(tmp_path).id
    assert last_id is not None
    assert LogFollower(tmp_path, LogFilter()).start(last_id)
    path.rename(tmp_path / "app-2026-01-01.log.gz")
    assert not LogFollower(tmp_path, LogFilter()).start(last_id)
    assert Cursor.decode(last_id).position > 0


def test_a_long_backlog_comes_in_parts(tmp_path: Path) -> None:
    write(tmp_path, 1)
    follower = follow(tmp_path)
    texts = [f"{number} " + "x" * 1000 for number in range(2 * STEP_BYTES // 1000)]
    write(tmp_path, 1, *texts)
    first = follower.read()
    assert first.has_more
    assert 0 < len(first.lines) < len(texts)
    rest = [*read(follower), *read(follower)]
    assert [entry["message"] for _, entry in first.lines] + rest == texts
    assert not follower.read().has_more
