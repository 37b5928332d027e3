"""The schema of the database, and the way from an older one to the newest.

A migration is a file `migrations/<number>_<words>.sql`, numbered from 1 without gaps; each of its statements ends
with a semicolon at the end of a line. `PRAGMA user_version` holds the number of the last one that was applied.
"""

from __future__ import annotations

import importlib.resources
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from attrs import frozen

from xopc import __version__
from xopc.contracts.errors import Failure, XopcError
from xopc.storage.connect import connect_reader, connect_writer, explained


@frozen
class Migration:
    """One step of the schema."""

    number: int
    """The schema that it leads to."""
    name: str
    sql: str


def _shipped() -> tuple[Migration, ...]:
    folder = importlib.resources.files("xopc.storage") / "migrations"
    files = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    return tuple(
        Migration(int(file.name.partition("_")[0]), file.name, file.read_text(encoding="utf-8"))
        for file in sorted(files, key=lambda file: file.name)
    )


MIGRATIONS: Final = _shipped()
MAX_REBUILT_BYTES = 256 * 1024 * 1024
"""A database of an earlier version is written anew once, in some 3 s for so much; a larger one is left as it is."""
LATEST_SCHEMA: Final = MIGRATIONS[-1].number
"""The schema that this version of xopc works with."""


def schema_version(path: Path) -> int:
    """The schema of the database at `path`: 0 where there is none. Writes nothing, and needs no lock.

    Raises:
        XopcError: the file cannot be used.
    """
    with explained(path):
        if not path.exists():
            return 0
        with closing(connect_reader(path)) as connection:
            return _schema(connection)


def prepare(path: Path, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
    """Bring the database at `path` to the schema of the last of `migrations`; create it if it is not there.

    All that is missing is done in one transaction: whatever fails, the schema is what it was, and the version of
    xopc that made it can go on with it. Blocks, for a large database perhaps for long. The caller owns the database.

    Raises:
        XopcError: the file cannot be used, has a newer schema, or a migration does not fit what is in it.
    """
    if path.with_name(f"{path.name}-journal").exists():
        # A process was killed as it made the database, before the write-ahead log. Only a writer can take that back.
        with explained(path):
            connect_writer(path).close()
    missing = missing_migrations(path, migrations)
    with explained(path), closing(connect_writer(path)) as connection:
        if missing:
            migrate(connection, missing)
        if not _gives_back(connection) and path.stat().st_size <= MAX_REBUILT_BYTES:
            _rebuild(connection)


def missing_migrations(path: Path, migrations: tuple[Migration, ...] = MIGRATIONS) -> tuple[Migration, ...]:
    """Those that the database at `path` lacks. Writes nothing, and needs no lock.

    Raises:
        XopcError: the file cannot be used, or has a newer schema.
    """
    found, known = schema_version(path), migrations[-1].number
    if found > known:
        message = (
            f"{path} was written by a newer xopc (schema {found}, this one, {__version__}, knows {known}): "
            "install the version that used it last, or a newer one."
        )
        raise XopcError(Failure.BAD_CONFIG, message)
    return tuple(step for step in migrations if step.number > found)


def migrate(connection: sqlite3.Connection, missing: Iterable[Migration]) -> None:
    """Apply them in one transaction.

    Raises:
        sqlite3.Error: one fails; closing the connection takes back what was done.
    """
    # A table is rebuilt under its own name (https://sqlite.org/lang_altertable.html#otheralter), which enforcement
    # would take for the loss of every row that is referred to. So the references are checked at the end.
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")  # taken back by closing the connection, unless it comes to the COMMIT
    for migration in missing:
        _apply(connection, migration)
    _check_references(connection)
    connection.execute("COMMIT")


def _gives_back(connection: sqlite3.Connection) -> bool:
    """Whether the file can become smaller again without being written anew."""
    (mode,) = connection.execute("PRAGMA auto_vacuum").fetchone()
    return bool(mode)


def _rebuild(connection: sqlite3.Connection) -> None:
    """Write the file anew, so that it can become smaller; where there is no room for that, it stays as it is."""
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    try:
        for statement in split_statements(migration.sql):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {migration.number}")
    except sqlite3.Error as error:
        error.add_note(f"(in migration {migration.name})")
        raise


def _check_references(connection: sqlite3.Connection) -> None:
    if orphan := connection.execute("PRAGMA foreign_key_check").fetchone():
        table, row, parent, _ = orphan
        raise sqlite3.IntegrityError(f"after migrating, row {row} of {table} refers to a row that {parent} lacks")


def split_statements(sql: str) -> Iterator[str]:
    """The statements of a script, each with the comments before it; a semicolon inside of one does not end it.

    Not `executescript`, which commits first.
    """
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


def _schema(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return version
