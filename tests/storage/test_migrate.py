from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from xopc import __version__
from xopc.contracts.errors import Failure, XopcError
from xopc.storage.connect import connect_writer
from xopc.storage.migrate import LATEST_SCHEMA, MIGRATIONS, Migration, prepare, schema_version, split_statements

NOTES = Migration(1, "0001_notes.sql", "CREATE TABLE notes (id INTEGER PRIMARY KEY);\nINSERT INTO notes VALUES (1);\n")
BODIES = Migration(2, "0002_bodies.sql", "ALTER TABLE notes ADD COLUMN body TEXT;\nUPDATE notes SET body = 'a;b';\n")
BROKEN = Migration(3, "0003_broken.sql", "CREATE TABLE more (id);\nINSERT INTO elsewhere VALUES (1);\n")


def rows(path: Path, query: str) -> list[object]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_the_migrations_are_numbered_from_one_without_gaps() -> None:
    assert [step.number for step in MIGRATIONS] == list(range(1, LATEST_SCHEMA + 1))


def test_a_new_database_gets_the_newest_schema(path: Path) -> None:
    assert schema_version(path) == 0
    prepare(path)
    assert schema_version(path) == LATEST_SCHEMA
    assert rows(path, "SELECT count(*) FROM boots") == rows(path, "SELECT count(*) FROM restarts") == [(0,)]


def test_only_what_is_missing_is_applied(path: Path) -> None:
    prepare(path, (NOTES,))
    prepare(path, (NOTES,))
    assert rows(path, "SELECT * FROM notes") == [(1,)]
    prepare(path, (NOTES, BODIES))
    assert rows(path, "SELECT * FROM notes") == [(1, "a;b")]
    assert schema_version(path) == 2


def test_a_failing_migration_leaves_the_database_as_it_was(path: Path) -> None:
    prepare(path, (NOTES,))
    before = path.read_bytes()
    with pytest.raises(XopcError, match=r"no such table: elsewhere \(in migration 0003_broken\.sql\)") as raised:
        prepare(path, (NOTES, BODIES, BROKEN))
    assert raised.value.failure is Failure.BAD_CONFIG
    assert path.read_bytes() == before
    prepare(path, (NOTES, BODIES))
    assert rows(path, "SELECT * FROM notes") == [(1, "a;b")]


def test_a_full_disk_in_a_migration_may_pass(path: Path) -> None:
    prepare(path, (NOTES,))
    full = Migration(2, "0002_full.sql", "PRAGMA max_page_count = 1;\nCREATE TABLE more (id);\n")
    with pytest.raises(XopcError, match=r"database or disk is full \(in migration 0002_full\.sql\)") as raised:
        prepare(path, (NOTES, full))
    assert raised.value.failure is Failure.UNAVAILABLE
    assert schema_version(path) == 1


def test_a_migration_may_rebuild_a_table_that_others_refer_to(path: Path) -> None:
    answers = Migration(
        2,
        "0002_answers.sql",
        "CREATE TABLE answers (note INTEGER REFERENCES notes);\nINSERT INTO answers VALUES (1);\n",
    )
    rebuild = (
        "CREATE TABLE rebuilt (id INTEGER PRIMARY KEY, body TEXT);\nINSERT INTO rebuilt SELECT id, '' FROM notes;\n"
        "DROP TABLE notes;\nALTER TABLE rebuilt RENAME TO notes;\n"
    )
    prepare(path, (NOTES, answers, Migration(3, "0003_rebuild.sql", rebuild)))
    assert rows(path, "SELECT notes.* FROM answers JOIN notes ON note = id") == [(1, "")]
    with pytest.raises(XopcError, match="row 1 of answers refers to a row that notes lacks"):
        prepare(path, (NOTES, answers, BROKEN, Migration(4, "0004_lose.sql", "DELETE FROM notes;\n")))
    assert schema_version(path) == 3


def test_a_newer_schema_is_refused_and_untouched(path: Path) -> None:
    prepare(path, (NOTES, BODIES))
    before = path.read_bytes()
    with pytest.raises(XopcError) as raised:
        prepare(path, (NOTES,))
    assert raised.value.failure is Failure.BAD_CONFIG
    assert raised.value.message == (
        f"{path} was written by a newer xopc (schema 2, this one, {__version__}, knows 1): "
        "install the version that used it last, or a newer one."
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize(("start", "end"), [(0, 16), (100, 4096)], ids=["header", "schema"])
def test_a_damaged_database_is_refused_in_a_sentence(path: Path, start: int, end: int) -> None:
    prepare(path)
    content = bytearray(path.read_bytes())
    content[start:end] = b"\xa5" * (end - start)
    path.write_bytes(content)
    with pytest.raises(XopcError, match=r"is damaged, or not a database of xopc .* Restore a backup") as raised:
        prepare(path)
    assert raised.value.failure is Failure.BAD_CONFIG
    assert path.read_bytes() == content


def test_the_database_of_another_program_is_refused(path: Path) -> None:
    with closing(connect_writer(path)) as connection:
        connection.execute("CREATE TABLE boots (shoe_size)")
        connection.execute("PRAGMA user_version = -1")
    with pytest.raises(XopcError, match="table boots already exists") as raised:
        prepare(path)
    assert raised.value.failure is Failure.BAD_CONFIG


def test_the_schema_can_be_asked_while_another_writes_and_changes_nothing(path: Path) -> None:
    assert schema_version(path) == 0
    assert list(path.parent.iterdir()) == []
    prepare(path, (NOTES,))
    with closing(connect_writer(path)) as connection:
        connection.execute("PRAGMA user_version = 5")  # in the write-ahead log, not in the file's header
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("PRAGMA user_version = 6")
        assert schema_version(path) == 5
        connection.execute("ROLLBACK")


def test_an_unfinished_last_statement_is_not_forgotten() -> None:
    assert list(split_statements("SELECT 1;\nSELECT 2\n")) == ["SELECT 1;\n", "SELECT 2\n"]


def test_a_trigger_is_one_statement() -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON notes BEGIN\n  DELETE FROM a;\n  DELETE FROM b;\nEND;\n"
    assert list(split_statements(trigger + "SELECT 1;\n")) == [trigger, "SELECT 1;\n"]


@given(
    st.lists(st.text(alphabet="a;'\"\n -/*\u2028", max_size=12), max_size=5),
    st.sampled_from(["", "-- it's; so\n", "/* ;\n */\n"]),
)
def test_statements_are_split_wherever_their_semicolons_are(values: list[str], comment: str) -> None:
    sql = "".join(f"{comment}SELECT\n'{value.replace(chr(39), chr(39) * 2)}';\n" for value in values)
    with closing(sqlite3.connect(":memory:")) as connection:
        results = [connection.execute(statement).fetchone() for statement in split_statements(sql)]
    assert results == [(value,) for value in values]


def test_a_database_whose_making_was_cut_off_is_made_anew(path: Path) -> None:
    """As when the process is killed in the first moment of the first start: sqlite's rollback journal is left."""
    making = path.with_name("making.db")
    with closing(sqlite3.connect(making, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE half (body BLOB)")
        for _ in range(50):
            connection.execute("INSERT INTO half VALUES (zeroblob(4000))")
        for suffix in ("", "-journal"):
            shutil.copy(f"{making}{suffix}", f"{path}{suffix}")
    prepare(path)
    with closing(connect_writer(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    assert "half" not in tables
    assert "inbox" in tables


def test_a_database_of_before_is_written_anew_so_that_it_can_become_smaller(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE notes (body TEXT)")
        connection.execute("INSERT INTO notes VALUES ('kept')")
        connection.execute("PRAGMA user_version = 1")
    prepare(path, (NOTES,))
    with closing(connect_writer(path)) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert connection.execute("SELECT body FROM notes").fetchall() == [("kept",)]


def test_a_large_one_is_left_as_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xopc.storage.migrate.MAX_REBUILT_BYTES", 4096)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE notes (body TEXT)")
        connection.execute("PRAGMA user_version = 1")
    prepare(path, (NOTES,))
    with closing(connect_writer(path)) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (0,)
