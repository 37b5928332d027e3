"""A line is appended whole, to today's file, whatever others do to it; a broken disk costs lines and nothing else."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import stat
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from xopc.gateway.log.file import LogFile

MUCH = 1_000_000_000
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    return tmp_path / "state" / "logs"


@pytest.fixture
def file(log_dir: Path) -> Iterator[LogFile]:
    file = LogFile(log_dir, 14, MUCH)
    yield file
    file.close()


def name_of(day: datetime) -> str:
    return f"app-{day.astimezone():%Y-%m-%d}.log"


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@contextmanager
def no_more_than(size: int) -> Generator[None]:
    """Files end at `size` bytes, as on a full disk: a write across the end is cut, one beyond it fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_lines_go_to_the_file_of_the_local_date_that_only_the_owner_reads(file: LogFile, log_dir: Path) -> None:
    assert file.write(NOON, {"n": 1}) is None
    assert file.write(NOON, {"n": 2}) is None
    path = log_dir / name_of(NOON)
    assert read(path) == [{"n": 1}, {"n": 2}]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(log_dir.stat().st_mode) == 0o700


def test_what_was_there_stays_and_what_others_append_does_too(file: LogFile, log_dir: Path) -> None:
    log_dir.mkdir(parents=True)
    path = log_dir / name_of(NOON)
    path.write_text('{"n": 0}\n')
    file.write(NOON, {"n": 1})
    with path.open("a") as other:
        other.write('{"n": 2}\n')
    file.write(NOON, {"n": 3})
    assert [line["n"] for line in read(path)] == [0, 1, 2, 3]


def test_a_new_day_has_a_new_file(file: LogFile, log_dir: Path) -> None:
    file.write(NOON, {"n": 1})
    file.write(NOON + timedelta(days=1), {"n": 2})
    assert read(log_dir / name_of(NOON)) == [{"n": 1}]
    assert read(log_dir / name_of(NOON + timedelta(days=1))) == [{"n": 2}]


def test_a_removed_file_is_made_again(file: LogFile, log_dir: Path) -> None:
    file.write(NOON, {"n": 1})
    (log_dir / name_of(NOON)).unlink()
    file.write(NOON, {"n": 2})
    assert read(log_dir / name_of(NOON)) == [{"n": 2}]


def test_a_file_that_was_moved_away_is_not_written_to_any_more(file: LogFile, log_dir: Path) -> None:
    file.write(NOON, {"n": 1})
    (log_dir / name_of(NOON)).rename(log_dir / "kept.log")
    file.write(NOON, {"n": 2})
    assert read(log_dir / "kept.log") == [{"n": 1}]
    assert read(log_dir / name_of(NOON)) == [{"n": 2}]


def test_files_past_their_retention_go_at_start_and_at_a_new_day_and_others_stay(log_dir: Path) -> None:
    log_dir.mkdir(parents=True)
    days = [f"{NOON.astimezone() - timedelta(days=back):%Y-%m-%d}" for back in range(5)]
    ours = [f"app-{days[1]}.log", f"app-{days[2]}.log", f"app-{days[3]}.log", f"app-{days[4]}.log.gz"]
    foreign = ["app.log", "app-2001-02-31.log", "app-2001-01-01.log.bak", "xapp-2001-01-01.log", "notes.txt"]
    for name in ours + foreign:
        (log_dir / name).touch()
    file = LogFile(log_dir, 3, MUCH)
    file.write(NOON, {})
    assert sorted(path.name for path in log_dir.iterdir()) == sorted([*ours[:2], *foreign, name_of(NOON)])
    file.write(NOON + timedelta(days=1), {})
    file.close()
    assert not (log_dir / ours[1]).exists()
    assert (log_dir / ours[0]).exists()


def test_a_clock_that_is_set_expires_nothing_before_the_day_after(log_dir: Path) -> None:
    log_dir.mkdir(parents=True)
    (log_dir / name_of(NOON - timedelta(days=1))).touch()
    file = LogFile(log_dir, 14, MUCH)
    file.write(NOON, {})
    later = NOON + timedelta(days=4000)
    for leap in (later, NOON, later - timedelta(days=8000), NOON, later):
        file.write(leap, {})
    assert {name_of(NOON), name_of(NOON - timedelta(days=1))} <= {path.name for path in log_dir.iterdir()}
    file.write(later + timedelta(days=1), {})
    file.close()
    assert sorted(path.name for path in log_dir.iterdir()) == [name_of(later), name_of(later + timedelta(days=1))]


def test_a_line_that_does_not_count_is_not_counted_as_lost(file: LogFile, log_dir: Path) -> None:
    file.write(NOON, {"n": 1})
    with no_more_than(0):
        assert file.write(NOON, {"n": 2}) is not None
        assert file.write(NOON, {"n": 3}, counts=False) is not None
    assert file.write(NOON, {"n": 4}, counts=False) is None
    assert read(log_dir / name_of(NOON)) == [{"n": 1}, {"n": 4, "lost": 1}]


def test_a_full_disk_costs_lines_and_the_next_one_says_how_many(file: LogFile, log_dir: Path) -> None:
    file.write(NOON, {"n": 1})
    path = log_dir / name_of(NOON)
    with no_more_than(path.stat().st_size):
        error = file.write(NOON, {"n": 2})
        assert error is not None
        assert error.errno == errno.EFBIG
        assert file.write(NOON, {"n": 3}) is not None
        assert file.lost == 2
    assert file.write(NOON, {"n": 4}) is None
    assert file.write(NOON, {"n": 5}) is None
    assert read(path) == [{"n": 1}, {"n": 4, "lost": 2}, {"n": 5}]


def test_a_line_that_only_half_fitted_does_not_spoil_the_next(file: LogFile, log_dir: Path) -> None:
    file.write(NOON, {"n": 1})
    path = log_dir / name_of(NOON)
    with no_more_than(path.stat().st_size + 4):
        assert file.write(NOON, {"n": 2}) is not None
    assert file.write(NOON, {"n": 3}) is None
    assert path.read_text().splitlines() == ['{"n":1}', '{"n"', '{"n":3,"lost":1}']


def test_a_place_that_is_no_directory_costs_lines_until_it_is(file: LogFile, log_dir: Path) -> None:
    log_dir.parent.mkdir()
    log_dir.touch()
    assert isinstance(file.write(NOON, {"n": 1}), FileExistsError)
    log_dir.unlink()
    assert file.write(NOON, {"n": 2}) is None
    assert read(log_dir / name_of(NOON)) == [{"n": 2, "lost": 1}]


def test_a_pipe_by_its_name_costs_lines_and_is_not_waited_for(file: LogFile, log_dir: Path) -> None:
    log_dir.mkdir(parents=True)
    os.mkfifo(log_dir / name_of(NOON))
    error = file.write(NOON, {"n": 1})
    assert error is not None
    assert error.errno == errno.ENXIO
    (log_dir / name_of(NOON)).unlink()
    assert file.write(NOON, {"n": 2}) is None
    assert read(log_dir / name_of(NOON)) == [{"n": 2, "lost": 1}]


def test_a_closed_file_gives_its_descriptor_back_and_opens_again(file: LogFile, log_dir: Path) -> None:
    before = len([*Path("/proc/self/fd").iterdir()])
    file.write(NOON, {"n": 1})
    file.close()
    assert len([*Path("/proc/self/fd").iterdir()]) == before
    file.write(NOON, {"n": 2})
    assert len(read(log_dir / name_of(NOON))) == 2


def test_two_writers_of_one_file_do_not_mix_their_lines(log_dir: Path) -> None:
    def write(name: str) -> None:
        file = LogFile(log_dir, 14, MUCH)
        for n in range(200):
            file.write(NOON, {"name": name, "n": n, "text": "x" * 3_000})
        file.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    lines = read(log_dir / name_of(NOON))
    for name in "ab":
        assert [line["n"] for line in lines if line["name"] == name] == list(range(200))


def test_the_oldest_files_go_while_all_of_them_are_too_large(log_dir: Path) -> None:
    log_dir.mkdir(parents=True)
    for days in (1, 2, 3):
        (log_dir / name_of(NOON - timedelta(days=days))).write_bytes(b"x" * 400)
    file = LogFile(log_dir, 14, 1000)
    file.write(NOON, {"n": 1})
    assert names(log_dir) == [name_of(NOON - timedelta(days=days)) for days in (2, 1, 0)]
    for number in range(2, 40):
        file.write(NOON, {"n": number, "text": "x" * 20})
    file.close()
    assert names(log_dir) == [name_of(NOON)]


def test_a_day_that_writes_too_much_loses_lines_and_no_more_than_these(log_dir: Path) -> None:
    file = LogFile(log_dir, 14, 1000)
    errors = [file.write(NOON, {"n": number, "text": "x" * 90}) for number in range(100)]
    assert "XOPC_LOG_MAX_MB" in str(errors[-1])
    assert 1000 <= (log_dir / name_of(NOON)).stat().st_size < 1200
    tomorrow = NOON + timedelta(days=1)
    assert file.write(tomorrow, {"n": 100}) is None
    file.close()
    assert read(log_dir / name_of(tomorrow))[0]["lost"] == sum(error is not None for error in errors)


def test_a_file_that_somebody_empties_has_room_again(log_dir: Path) -> None:
    file = LogFile(log_dir, 14, 1000)
    while file.write(NOON, {"text": "x" * 90}) is None:
        pass
    (log_dir / name_of(NOON)).write_bytes(b"")
    assert file.write(NOON, {"n": 1}) is None
    file.close()


def names(log_dir: Path) -> list[str]:
    return sorted(path.name for path in log_dir.iterdir())
