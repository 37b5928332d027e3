"""Writes `xopc.json` so that no crash, and no other writer, leaves half of it or loses what was there."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from xopc.contracts.convert import JsonObject

BACKUPS = 10
"""`xopc.json.bak` is the newest, then `.bak.1` to `.bak.9`."""


def create_document(path: Path, values: JsonObject) -> bool:
    """Write a new file, readable by its owner alone; False where there is one already.

    Raises:
        OSError: it cannot be written; nothing is changed.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = path.resolve()
    with _written(target, text_of(values)) as finished:
        try:
            # Unlike a rename, a link never replaces what another process has put there in the meantime.
            os.link(finished, target)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            if target.exists():
                return False
            finished.replace(target)
        _sync_directory(target.parent)
    return True


def replace_document(path: Path, values: JsonObject, known: bytes) -> bool:
    """Write the file anew, and keep what it was as the newest of ten backups, all readable by the owner alone; False
    where its content is not what is `known` of it any more, since somebody else has changed it.

    A symbolic link stays one: the file that it points to is replaced.

    Raises:
        OSError: it cannot be written; the file is as it was.
    """
    target = path.resolve()
    with _written(target, known) as backup, _written(target, text_of(values)) as finished:
        # At the last moment: to bring both to the disk takes milliseconds, in which an editor may save.
        if target.read_bytes() != known:
            return False
        _rotate(target)
        backup.replace(_backup(target, 0))
        finished.replace(target)
        _sync_directory(target.parent)
    return True


def text_of(values: JsonObject) -> bytes:
    """The content of a file that holds these values."""
    return (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode(errors="backslashreplace")


def write_private(path: Path, content: bytes) -> None:
    """Put a file with this content at `path`, whole or not at all, readable by its owner alone.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _written(path, content) as finished:
        finished.replace(path)
        _sync_directory(path.parent)


def is_read_only(path: Path) -> bool:
    """Whether the file's owner has taken its write permission away; replacing it would override that. One that has
    gone is not.

    Raises:
        OSError: the disk fails.
    """
    try:
        return not path.stat().st_mode & 0o200 or not os.access(path, os.W_OK)
    except FileNotFoundError:
        return False


@contextmanager
def _written(target: Path, content: bytes) -> Generator[Path, None, None]:
    """A file beside the target, mode 0600, with the content on the disk; removed at the end if it is still there."""
    import tempfile  # noqa: PLC0415 - commands that write nothing would pay for it

    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    written = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield written
    finally:
        written.unlink(missing_ok=True)


def _rotate(target: Path) -> None:
    for number in reversed(range(BACKUPS - 1)):
        older = _backup(target, number)
        if older.exists():
            older.replace(_backup(target, number + 1))


def _backup(target: Path, number: int) -> Path:
    return target.with_name(f"{target.name}.bak" + (f".{number}" if number else ""))


def _sync_directory(directory: Path) -> None:
    """Make renames in the directory survive a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
