"""A newer schema is tried on a copy, and the database that somebody serves meanwhile is not touched."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from xopc.contracts.errors import Failure, XopcError
from xopc.storage import rehearse as rehearsals
from xopc.storage.connect import connect_writer
from xopc.storage.faults import Obstacle, StorageUnavailableError
from xopc.storage.migrate import Migration, prepare, schema_version
from xopc.storage.rehearse import rehearse

NOTES = Migration(1, "0001_notes.sql", "CREATE TABLE notes (id INTEGER PRIMARY KEY);\nINSERT INTO notes VALUES (1);\n")
BODIES = Migration(2, "0002_bodies.sql", "ALTER TABLE notes ADD COLUMN body TEXT;\nUPDATE notes SET body = 'a';\n")
BROKEN = Migration(2, "0002_broken.sql", "UPDATE notes SET id = 0;\nINSERT INTO elsewhere VALUES (1);\n")

OWNER = """
import sys
from contextlib import closing
from pathlib import Path
import trio
from xopc.storage.connect import connect_writer
from xopc.storage.lock import hold_lock

async def serve():
    path = Path(sys.argv[1])
    async with hold_lock(path, 0):
        with closing(connect_writer(path)) as connection:
            connection.execute("PRAGMA busy_timeout = 0")
            print("open", flush=True)
            number = 2
            for line in sys.stdin:
                for number in range(number, number + int(line)):
                    connection.execute("INSERT INTO notes VALUES (?)", (number,))
                number += 1
                print("stored", flush=True)

trio.run(serve)
"""


class Owner:
    """A process that holds the database, and stores what it is told."""

    def __init__(self, path: Path) -> None:
        self.process = Popen([sys.executable, "-c", OWNER, str(path)], stdin=PIPE, stdout=PIPE, text=True)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._in, self._out = self.process.stdin, self.process.stdout
        assert self._out.readline() == "open\n"

    def begin(self, count: int) -> None:
        """Begin to store so many rows, a commit each."""
        self._in.write(f"{count}\n")
        self._in.flush()

    def finish(self) -> None:
        assert self._out.readline() == "stored\n"

    def end(self) -> None:
        self.process.communicate(timeout=20)
        assert self.process.returncode == 0


@pytest.fixture
def owner(path: Path) -> Iterator[Owner]:
    prepare(path, (NOTES,))
    owner = Owner(path)
    yield owner
    owner.end()


def copies(path: Path) -> list[str]:
    return [file.name for file in path.parent.iterdir() if "rehearsal" in file.name]


def test_without_a_database_there_is_nothing_to_do(path: Path) -> None:
    rehearse(path, (NOTES,))
    rehearse(path.parent / "nowhere" / "xopc.db", (NOTES,))
    assert list(path.parent.iterdir()) == []


def test_of_a_database_with_the_newest_schema_no_copy_is_made(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(path, (NOTES,))
    monkeypatch.setattr(rehearsals, "SPARE_BYTES", 2**62)  # for a copy there would be no room
    rehearse(path, (NOTES,))


def test_a_schema_that_fits_is_tried_and_nothing_is_left_behind_or_changed(path: Path, owner: Owner) -> None:
    owner.begin(100)
    owner.finish()
    files = [path, path.with_name(f"{path.name}-wal")]
    before = [file.read_bytes() for file in files]
    rehearse(path, (NOTES, BODIES))
    assert [file.read_bytes() for file in files] == before
    assert schema_version(path) == 1
    assert copies(path) == []
    owner.begin(1)
    owner.finish()


def test_the_owner_writes_on_meanwhile(path: Path, owner: Owner) -> None:
    rounds = 5
    for _ in range(rounds):
        owner.begin(200)
        rehearse(path, (NOTES, BODIES))
        owner.finish()
    owner.end()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (rounds * 200 + 1,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_migration_that_fails_on_the_data_is_told_and_nothing_is_changed(path: Path, owner: Owner) -> None:
    owner.begin(3)
    owner.finish()
    with pytest.raises(XopcError) as raised:
        rehearse(path, (NOTES, BROKEN))
    assert raised.value.failure is Failure.BAD_CONFIG
    assert raised.value.message == (
        f"{path} cannot be brought to the schema of this version of xopc: UNIQUE constraint failed: notes.id (in "
        "migration 0002_broken.sql). That was tried on a copy, and the database is as it was. Install the version "
        "that uses it now, and report this."
    )
    assert schema_version(path) == 1
    assert copies(path) == []


@pytest.mark.parametrize(
    ("sql", "finding"),
    [
        ("CREATE TABLE answers (note REFERENCES notes);\nINSERT INTO answers VALUES (404);\n", "refers to a row"),
        (
            "CREATE TABLE more (id, CHECK (id > 0));\nPRAGMA ignore_check_constraints = ON;\n"
            "INSERT INTO more VALUES (0);\nPRAGMA ignore_check_constraints = OFF;\n",
            "after migrating, it is damaged: CHECK constraint failed",
        ),
    ],
)
def test_a_migration_that_leaves_something_unsound_is_refused(path: Path, sql: str, finding: str) -> None:
    prepare(path, (NOTES,))
    with pytest.raises(XopcError, match=finding) as raised:
        rehearse(path, (NOTES, Migration(2, "0002_unsound.sql", sql)))
    assert raised.value.failure is Failure.BAD_CONFIG


def test_a_newer_schema_is_refused(path: Path) -> None:
    prepare(path, (NOTES, BODIES))
    with pytest.raises(XopcError, match=r"by a newer xopc \(schema 2, this one, [^ ]+, knows 1\)") as raised:
        rehearse(path, (NOTES,))
    assert raised.value.failure is Failure.BAD_CONFIG


def test_what_would_take_the_room_of_the_owner_is_not_tried(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(path, (NOTES,))
    monkeypatch.setattr(rehearsals, "SPARE_BYTES", 2**62)
    with pytest.raises(StorageUnavailableError, match=r"There is no room .* MB are needed, and .* Free") as raised:
        rehearse(path, (NOTES, BODIES))
    assert raised.value.obstacle is Obstacle.FULL
    assert copies(path) == []


def test_a_disk_that_becomes_full_on_the_way_may_pass(path: Path) -> None:
    prepare(path, (NOTES,))
    full = Migration(2, "0002_full.sql", "PRAGMA max_page_count = 1;\nCREATE TABLE more (id);\n")
    with pytest.raises(StorageUnavailableError, match="There is no room"):
        rehearse(path, (NOTES, full))
    assert copies(path) == []


def test_the_copy_is_the_owners_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(path, (NOTES,))
    modes: list[int] = []
    unlink = os.unlink

    def look_and_unlink(name: str) -> None:
        modes.append(Path(name).stat().st_mode & 0o777)
        unlink(name)

    monkeypatch.setattr(os, "unlink", look_and_unlink)
    rehearse(path, (NOTES, BODIES))
    assert modes == [0o600]


def test_what_a_killed_rehearsal_left_behind_goes_with_the_next(path: Path) -> None:
    prepare(path, (NOTES,))
    for name in ("xopc.db.rehearsal-k1ll3d", "xopc.db.rehearsal-k1ll3d-journal", "other.db.rehearsal-x"):
        (path.parent / name).touch()
    rehearse(path, (NOTES,))
    assert copies(path) == ["other.db.rehearsal-x"]


def test_a_damaged_database_is_told_as_such(path: Path) -> None:
    with closing(connect_writer(path)) as connection:
        connection.execute("PRAGMA user_version = 1")
    path.write_bytes(b"\xa5" * 4096)
    with pytest.raises(XopcError, match="is damaged, or not a database of xopc"):
        rehearse(path, (NOTES, BODIES))
