"""The last lines of the log, and those that come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from xopc.core.logs.files import BLOCK_BYTES
from xopc.service.log_tail import Follower, last_lines

Follow = Callable[[Path], Follower]


@pytest.fixture
def follow() -> Generator[Follow]:
    """Makes followers that are closed after the test."""
    with ExitStack() as stack:
        yield lambda directory: stack.enter_context(closing(Follower(directory)))


def start_of(directory: Path, count: int) -> list[str]:
    with closing(Follower(directory)) as follower:
        return follower.start(count)


def write(directory: Path, day: str, *lines: str) -> Path:
    path = directory / f"app-2026-01-{day}.log"
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


def numbered(first: int, last: int) -> list[str]:
    return [f"line {number}" for number in range(first, last + 1)]


def test_only_log_files_are_read_oldest_first(tmp_path: Path) -> None:
    write(tmp_path, "02", "b")
    write(tmp_path, "01", "a")
    for name in ("app-2026-01-03.log.gz", "app.log", "app-2026-01-04.log.bak", "other.log"):
        (tmp_path / name).write_text("no\n")
    assert last_lines(tmp_path, 10) == ["a", "b"]


def test_without_a_directory_there_is_nothing(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "none", 10) == []
    assert start_of(tmp_path / "none", 10) == []


def test_row_055_the_last_lines_are_the_newest_in_order(tmp_path: Path) -> None:
    write(tmp_path, "01", *numbered(1, 60))
    assert last_lines(tmp_path, 50) == numbered(11, 60)


def test_days_before_are_read_until_there_are_enough(tmp_path: Path) -> None:
    write(tmp_path, "01", *numbered(1, 3))
    write(tmp_path, "02")
    write(tmp_path, "03", *numbered(4, 5))
    assert last_lines(tmp_path, 4) == numbered(2, 5)
    assert last_lines(tmp_path, 2) == numbered(4, 5)
    assert last_lines(tmp_path, 99) == numbered(1, 5)
    assert start_of(tmp_path, 4) == numbered(2, 5)


@pytest.mark.parametrize("size", [1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES])
def test_lines_longer_than_a_block_are_read_whole(tmp_path: Path, size: int) -> None:
    long = "ä" * (size // 2) + "x" * (size % 2)
    write(tmp_path, "01", "first", long, "last")
    assert last_lines(tmp_path, 2) == [long, "last"]
    assert last_lines(tmp_path, 3) == ["first", long, "last"]


def test_a_line_without_its_end_counts_when_nobody_waits_for_it(tmp_path: Path) -> None:
    path = write(tmp_path, "01", "a", "b")
    with path.open("a") as file:
        file.write("torn")
    assert last_lines(tmp_path, 2) == ["b", "torn"]


def test_what_is_not_utf_8_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "app-2026-01-01.log").write_bytes(b"a\xffb\n")
    assert last_lines(tmp_path, 1) == ["a\ufffdb"]


def test_what_is_written_after_the_start_is_read_once(tmp_path: Path, follow: Follow) -> None:
    write(tmp_path, "01", *numbered(1, 3))
    follower = follow(tmp_path)
    assert follower.start(2) == numbered(2, 3)
    assert follower.read() == []
    write(tmp_path, "01", *numbered(4, 5))
    assert follower.read() == numbered(4, 5)
    assert follower.read() == []


def test_a_line_is_read_when_it_is_complete(tmp_path: Path, follow: Follow) -> None:
    path = write(tmp_path, "01", "a")
    with path.open("a") as file:
        file.write("be")
        file.flush()
        follower = follow(tmp_path)
        assert follower.start(5) == ["a"]
        file.write("gin")
        file.flush()
        assert follower.read() == []
        file.write("ning\nnext")
        file.flush()
        assert follower.read() == ["beginning"]


def test_it_goes_on_through_midnight_and_loses_nothing(tmp_path: Path, follow: Follow) -> None:
    first = write(tmp_path, "01", "a")
    follower = follow(tmp_path)
    follower.start(5)
    write(tmp_path, "01", "before midnight")
    with first.open("a") as file:
        file.write("torn by a full disk")
    write(tmp_path, "02", "after midnight")
    write(tmp_path, "03", "a day later")
    assert follower.read() == ["before midnight", "torn by a full disk", "after midnight", "a day later"]
    write(tmp_path, "03", "more")
    assert follower.read() == ["more"]


def test_it_goes_on_after_the_file_was_truncated(tmp_path: Path, follow: Follow) -> None:
    path = write(tmp_path, "01", *numbered(1, 9))
    follower = follow(tmp_path)
    follower.start(1)
    path.write_text("")
    assert follower.read() == []
    write(tmp_path, "01", "anew")
    assert follower.read() == ["anew"]


def test_it_goes_on_after_the_file_was_removed_or_replaced(tmp_path: Path, follow: Follow) -> None:
    path = write(tmp_path, "01", "a")
    follower = follow(tmp_path)
    follower.start(1)
    path.unlink()
    assert follower.read() == []
    write(tmp_path, "01", "anew")
    assert follower.read() == ["anew"]
    moved = tmp_path / "old"
    path.rename(moved)
    with moved.open("a") as file:
        file.write("to the old one\n")
    write(tmp_path, "01", "and again")
    assert follower.read() == ["to the old one", "and again"]


def test_it_waits_for_the_first_file(tmp_path: Path, follow: Follow) -> None:
    follower = follow(tmp_path / "logs")
    assert follower.start(5) == []
    assert follower.read() == []
    (tmp_path / "logs").mkdir()
    write(tmp_path / "logs", "01", "first")
    assert follower.read() == ["first"]


def test_row_058_a_new_line_is_seen_within_a_second(tmp_path: Path, follow: Follow) -> None:
    write(tmp_path, "01", "a")
    follower = follow(tmp_path)
    follower.start(1)
    written: list[float] = []

    def write_later() -> None:
        time.sleep(0.1)
        write(tmp_path, "01", "b")
        written.append(time.monotonic())

    thread = threading.Thread(target=write_later)
    thread.start()
    assert next(follower.lines()) == ["b"]
    assert time.monotonic() - written[0] < 1
    thread.join()
