from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from xopc.cli.doctor.check import Fault, Result, Sight
from xopc.cli.doctor.storage import look_at_clock, look_at_database, look_at_disk
from xopc.cli.gateway import deep
from xopc.cli.gateway.target import find_target
from xopc.config.audit import Severity
from xopc.gateway.room import Disk
from xopc.storage.migrate import prepare


def looked(look: Callable[[Sight], Result]) -> Result:
    return look(Sight(find_target(None)))


def the_fault(look: Callable[[Sight], Result]) -> Fault:
    (fault,) = looked(look).faults
    return fault


@pytest.fixture
def database(home: Path) -> Path:
    path = find_target(None).paths.database
    path.parent.mkdir()
    prepare(path)
    return path


def test_without_a_database_there_is_nothing_to_look_at(home: Path) -> None:
    assert looked(look_at_database).summary.startswith("There is no ")


def test_a_database_that_is_whole(database: Path) -> None:
    assert looked(look_at_database).faults == ()
    assert looked(look_at_database).summary.startswith(f"{database} is whole (")


def test_a_damaged_database_is_critical(database: Path) -> None:
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    fault = the_fault(look_at_database)
    assert (fault.check_id, fault.severity, fault.where) == ("storage.damaged", Severity.CRITICAL, str(database))
    assert fault.remediation.startswith("Stop the gateway, and restore a backup")


def test_a_file_that_is_none_is_critical(database: Path) -> None:
    database.write_text("no database at all, but long enough to be looked at" * 100)
    assert the_fault(look_at_database).check_id == "storage.damaged"


def test_a_newer_one_is_not_called_damaged(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 9999")
    assert the_fault(look_at_database).check_id == "storage.newer-schema"


def test_room_is_told_and_the_lack_of_it_is_critical(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked(look_at_disk).faults == ()

    def nearly_full(_: Path) -> Disk:
        return Disk(10**12, 10**6)

    monkeypatch.setattr(deep, "disk_of", nearly_full)
    fault = the_fault(look_at_disk)
    assert (fault.check_id, fault.severity) == ("storage.disk-low", Severity.CRITICAL)
    assert fault.title == "The disk is nearly full: 1.0 MB of 1.0 TB are free"


def test_a_clock_behind_what_was_written_is_told(home: Path) -> None:
    assert looked(look_at_clock).faults == ()
    log = home / ".xopc" / "logs" / "app-2026-11-20.log"
    log.parent.mkdir(parents=True)
    log.touch()
    assert looked(look_at_clock).faults == ()
    ahead = time.time() + 8000
    os.utime(log, (ahead, ahead))
    fault = the_fault(look_at_clock)
    assert (fault.check_id, fault.where) == ("clock.behind", str(log))
    assert fault.title == "The clock is 2 h behind the last thing that was written"
