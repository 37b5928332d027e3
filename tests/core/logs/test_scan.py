"""Going through lines, and taking one's time."""

from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path

import pytest
import trio

from xopc.contracts.errors import Failure, XopcError
from xopc.core.logs.files import log_files
from xopc.core.logs.scan import MAX_THREADS, Place, Scan, in_steps, in_thread


def write(directory: Path, day: int, text: str) -> None:
    (directory / f"app-2026-01-{day:02}.log").write_text(text)


def texts(scan: Scan) -> list[str]:
    return [step[0].data.decode() for step in scan.lines() if step is not None]


def test_the_files_follow_one_another(tmp_path: Path) -> None:
    write(tmp_path, 1, "a\nb\n")
    write(tmp_path, 2, "")
    write(tmp_path, 3, "c\n")
    files = log_files(tmp_path)
    for backwards, expected in ((False, ["a", "b", "c"]), (True, ["c", "b", "a"])):
        scan = Scan(files, backwards=backwards)
        assert texts(scan) == expected
        assert not scan.has_more
    assert not [*Scan([], backwards=True).lines()]


@pytest.mark.parametrize("backwards", [False, True])
def test_each_place_is_where_the_rest_begins(tmp_path: Path, backwards: bool) -> None:
    write(tmp_path, 1, "a\nb\n")
    write(tmp_path, 2, "c\nd\n")
    files = log_files(tmp_path)
    places = [step[1] for step in Scan(files, backwards=backwards).lines() if step is not None]
    whole = texts(Scan(files, backwards=backwards))
    for index, place in enumerate(places):
        assert texts(Scan(files, backwards=backwards, start=place)) == whole[index + 1 :]


def test_a_line_that_is_being_written_is_left_out_but_not_one_that_was_torn(tmp_path: Path) -> None:
    write(tmp_path, 1, "a\ntorn by a full disk")
    write(tmp_path, 2, "b\nbeing writ")
    files = log_files(tmp_path)
    assert texts(Scan(files, backwards=False)) == ["a", "torn by a full disk", "b"]
    assert texts(Scan(files, backwards=True)) == ["b", "torn by a full disk", "a"]
    first = range(files[0].day.toordinal(), files[0].day.toordinal() + 1)
    assert texts(Scan(files, backwards=True, days=first)) == ["torn by a full disk", "a"]


def test_the_budget_ends_between_two_lines(tmp_path: Path) -> None:
    write(tmp_path, 1, "aaaa\nbbbb\ncccc\n")
    files = log_files(tmp_path)
    scan = Scan(files, backwards=True, budget=6)
    assert texts(scan) == ["cccc", "bbbb"]
    assert scan.has_more
    scan = Scan(files, backwards=True, budget=12)
    lines = [step for step in scan.lines() if step and not scan.spend(6)]
    assert len(lines) == 2


def test_a_file_that_has_just_gone_or_may_not_be_read_does_no_harm(tmp_path: Path) -> None:
    for day in (1, 2, 3):
        write(tmp_path, day, f"{day}\n")
    files = log_files(tmp_path)
    files[1].path.unlink()
    files[2].path.unlink()
    files[2].path.mkdir()
    assert texts(Scan(files, backwards=True)) == ["1"]
    assert texts(Scan(files, backwards=False, start=Place(files[1], 5))) == []


async def test_each_step_is_done_in_a_thread_and_the_end_gives_the_result() -> None:
    threads: set[int] = set()

    def work() -> Generator[None, None, str]:
        for _ in range(3):
            threads.add(threading.get_ident())
            yield
        return "done"

    assert await in_steps(work()) == "done"
    assert threading.get_ident() not in threads


async def test_whoever_waits_can_be_cancelled_between_two_steps() -> None:
    steps = 0
    closed = False
    with trio.CancelScope() as scope:

        def work() -> Generator[None, None, None]:
            nonlocal steps, closed
            try:
                while True:
                    steps += 1
                    if steps == 3:
                        trio.from_thread.run_sync(scope.cancel)
                    yield
            finally:
                closed = True

        await in_steps(work())
    assert scope.cancelled_caught
    assert (steps, closed) == (3, True)


async def test_a_directory_that_cannot_be_read_is_told_without_its_path(tmp_path: Path) -> None:
    def fail() -> None:
        (tmp_path / "none").read_text()

    with pytest.raises(XopcError) as caught:
        await in_thread(fail)
    assert caught.value.failure is Failure.UNAVAILABLE
    assert str(tmp_path) not in caught.value.message


async def test_so_many_threads_read_at_once() -> None:
    running = most = 0
    lock = threading.Lock()

    def read() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.01)
        with lock:
            running -= 1

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(in_thread, read)
    assert most <= MAX_THREADS
