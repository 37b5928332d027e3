"""The log files and the lines in them."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from xopc.core.logs import files as module
from xopc.core.logs.files import (
    BLOCK_BYTES,
    MAX_LINE_BYTES,
    DayFile,
    Line,
    Part,
    lines_back,
    lines_forth,
    log_files,
    open_back,
    open_forth,
)

MOST = 8 * MAX_LINE_BYTES


def result(steps: Generator[None, None, Part]) -> Part:
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def backwards(file: DayFile, end: int | None = None, most: int = MOST) -> tuple[list[Line], bool]:
    part = result(open_back(file, end, most))
    with closing(part.data):
        return list(part.backwards()), part.is_cut


def forwards(file: DayFile, start: int = 0, most: int = MOST) -> tuple[list[Line], bool]:
    part = result(open_forth(file, start, most))
    with closing(part.data):
        return list(part.forwards()), part.is_cut


def texts(lines: Iterable[Line]) -> list[bytes]:
    return [line.data for line in lines]


def write(path: Path, data: bytes) -> DayFile:
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    (file,) = log_files(path.parent)
    return file


def test_files_come_oldest_first_and_what_is_packed_of_a_day_before_what_is_not(tmp_path: Path) -> None:
    names = ["app-2026-01-01.log.gz", "app-2026-01-02.log.gz", "app-2026-01-02.log", "app-2026-01-03.log"]
    for name in reversed(names):
        (tmp_path / name).touch()
    assert [file.path.name for file in log_files(tmp_path)] == names
    assert [file.path.name for file in log_files(tmp_path, packed=False)] == names[2:]


def test_what_is_no_log_file_is_left_out(tmp_path: Path) -> None:
    for name in ("app.log", "app-2026-02-31.log", "app-2026-01-01.log.bak", "error-2026-01-01.log", "app-2026-1-1.log"):
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / "app-2026-01-01.log")
    (tmp_path / "app-2026-01-02.log").mkdir()
    assert log_files(tmp_path) == []
    assert log_files(tmp_path / "none") == []


@given(
    st.lists(st.binary(max_size=12).map(lambda data: data.replace(b"\n", b" ")), max_size=8),
    st.binary(max_size=5).map(lambda data: data.replace(b"\n", b" ")),
    st.integers(1, 9),
)
def test_the_same_lines_come_from_either_side_with_their_places(lines: list[bytes], tail: bytes, block: int) -> None:
    data = b"".join(line + b"\n" for line in lines) + tail
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", block)
        forth = list(lines_forth(io.BytesIO(data), 0, len(data)))
        back = list(lines_back(io.BytesIO(data), len(data)))
    assert forth == back[::-1]
    assert texts(forth) == [*lines, *([tail] if tail else [])]
    assert [data[line.start : line.end].removesuffix(b"\n") for line in forth] == texts(forth)
    assert [line.is_complete for line in forth] == [True] * len(lines) + [False] * bool(tail)


@pytest.mark.parametrize("name", ["app-2026-01-01.log", "app-2026-01-01.log.gz"])
def test_reading_goes_on_from_each_place_in_either_direction(tmp_path: Path, name: str) -> None:
    data = b"".join(b"%d %s\n" % (number, b"x" * (number * 7919 % 3000)) for number in range(200))
    file = write(tmp_path / name, data)
    whole, _ = forwards(file)
    assert b"".join(line.data + b"\n" for line in whole) == data
    for index in (0, 1, 99, 199):
        assert forwards(file, whole[index].start) == (whole[index:], False)
        assert backwards(file, whole[index].end) == (whole[: index + 1][::-1], False)


def test_a_line_that_is_far_too_long_comes_in_pieces(tmp_path: Path) -> None:
    data = b"first\n" + b"x" * (2 * MAX_LINE_BYTES + 5) + b"\nlast\n"
    file = write(tmp_path / "app-2026-01-01.log", data)
    for lines in (forwards(file)[0], backwards(file)[0][::-1]):
        first, *pieces, last = texts(lines)
        assert (first, b"".join(pieces), last) == (b"first", b"x" * (2 * MAX_LINE_BYTES + 5), b"last")
        assert max(map(len, pieces)) <= MAX_LINE_BYTES + BLOCK_BYTES


def test_of_a_packed_file_only_so_much_is_kept_and_whole_lines_of_it_are_given(tmp_path: Path) -> None:
    data = b"".join(b"%06d %s\n" % (number, b"x" * 1000) for number in range(8000))
    file = write(tmp_path / "app-2026-01-01.log.gz", data)
    whole = [Line(start, start + 1008, data[start : start + 1007]) for start in range(0, len(data), 1008)]

    back, is_cut = backwards(file, most=MAX_LINE_BYTES)
    assert is_cut
    assert back == whole[-len(back) :][::-1]
    rest, is_cut = backwards(file, back[-1].start)
    assert ([*back, *rest], is_cut) == (whole[::-1], False)

    forth, is_cut = forwards(file, most=MAX_LINE_BYTES)
    assert is_cut
    assert forth == whole[: len(forth)]
    rest, is_cut = forwards(file, forth[-1].end)
    assert ([*forth, *rest], is_cut) == (whole, False)


def test_a_broken_packed_file_is_read_up_to_where_it_breaks(tmp_path: Path) -> None:
    path = tmp_path / "app-2026-01-01.log.gz"
    packed = gzip.compress(os.urandom(300_000).hex().encode() + b"\n")
    path.write_bytes(gzip.compress(b"a\nb\n") + packed[: len(packed) // 2])
    (file,) = log_files(tmp_path)
    assert texts(forwards(file)[0])[:2] == [b"a", b"b"]
    path.write_bytes(b"no gzip at all")
    assert forwards(file) == ([], False)
    assert backwards(file) == ([], False)


def test_of_a_bomb_no_more_is_unpacked_than_a_log_file_can_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_UNPACKED_BYTES", 10)
    file = write(tmp_path / "app-2026-01-01.log.gz", b"1234\n" * 5)
    assert texts(backwards(file)[0]) == [b"1234", b"1234"]
    assert texts(forwards(file)[0]) == [b"1234", b"1234"]


def test_a_place_behind_the_end_is_the_beginning_of_a_file_that_was_emptied(tmp_path: Path) -> None:
    file = write(tmp_path / "app-2026-01-01.log", b"anew\n")
    assert texts(forwards(file, 999)[0]) == [b"anew"]
    assert texts(backwards(file, 999)[0]) == [b"anew"]
