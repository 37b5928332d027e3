"""Makes a backup: one archive, each file in it as it was at one moment, while the gateway goes on.

The archive is a `.tar.gz`, which every machine can open without xopc. It is written from the front to the back, so it
may as well go through a pipe; its manifest comes last, when the sums of all files are known.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import tarfile
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TypeAlias

from attrs import define, evolve, field, frozen

from xopc import __version__
from xopc.config.paths import Paths
from xopc.service.backup.contents import Found, places, walk
from xopc.service.backup.manifest import DATABASE, FORMAT, MANIFEST, WORKSPACE, LeftOut, Manifest, StoredFile, spelled
from xopc.storage.copy import copy_database

COMPRESSION = 4
"""Of 9: a third of the time of the best, for a twentieth more room."""
BLOCK_BYTES = 1024 * 1024
MAX_NAMED = 100
"""Of what was left out."""
IN_MEMORY_BYTES = 8 * 1024 * 1024

Progress: TypeAlias = Callable[[str, int], None]
"""Takes the file that is stored next, and how many bytes are stored already."""


@frozen
class Source:
    """What a backup is made of."""

    paths: Paths
    """With the workspace of the configuration."""
    workspace: bool = True


def make_backup(
    source: Source, out: IO[bytes], scratch: Path, progress: Progress = lambda _name, _bytes: None
) -> Manifest:
    """Write a backup to `out`, which need not be seekable. `scratch` is a private folder with room for the database.

    Raises:
        XopcError: the database cannot be copied.
        OSError: something cannot be read or written; what is in `out` then is no backup.
    """
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    found = places(source.paths, workspace=source.workspace)
    packed = gzip.GzipFile(filename="", fileobj=out, mode="wb", compresslevel=COMPRESSION)
    with packed, tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        writer = _Writer(archive, progress)
        schema = 0
        for name, path in found.items():
            if name == DATABASE:
                schema = _add_database(writer, path, scratch)
            else:
                without = {source.paths.state_dir} if name == WORKSPACE else set[Path]()
                for one in walk(name, path, frozenset(without)):
                    writer.add(one)
        left_out = tuple(writer.left_out)
        manifest = Manifest(
            FORMAT,
            __version__,
            schema,
            created_at,
            tuple(found),
            tuple(writer.files),
            left_out[:MAX_NAMED],
            len(left_out),
        )
        writer.put(MANIFEST, io.BytesIO(data := manifest.to_json()), len(data), 0o600, datetime.now(UTC).timestamp())
    return manifest


def _add_database(writer: _Writer, path: Path, scratch: Path) -> int:
    if not path.exists():
        return 0
    copy = scratch / DATABASE
    schema = copy_database(path, copy)
    try:
        writer.add(Found(DATABASE, copy))
    finally:
        copy.unlink()
    return schema


@define
class _Writer:
    archive: tarfile.TarFile
    progress: Progress
    files: list[StoredFile] = field(factory=list[StoredFile])
    left_out: list[LeftOut] = field(factory=list[LeftOut])
    done: int = 0

    def add(self, one: Found | LeftOut) -> None:
        """Store a file or folder, whole as it is at one moment; note what cannot be read."""
        if isinstance(one, LeftOut):
            self.left_out.append(evolve(one, path=spelled(one.path)))
            return
        self.progress(one.name, self.done)
        if one.is_folder:
            self._put_folder(one)
            return
        try:
            descriptor = os.open(one.path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return
        except OSError as error:
            self.left_out.append(LeftOut(spelled(one.name), error.strerror or str(error)))
            return
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                self.left_out.append(LeftOut(spelled(one.name), "no file any more"))
            elif one.name == DATABASE:  # nobody else has this copy
                self._store(one.name, file, status.st_size, status)
            else:
                # Its size has to be known before its content, and somebody may be writing to it, without an end.
                with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as copy:
                    while block := file.read(min(BLOCK_BYTES, status.st_size - copy.tell())):
                        copy.write(block)
                    size = copy.tell()
                    copy.seek(0)
                    self._store(one.name, copy, size, status)

    def _store(self, name: str, data: IO[bytes], size: int, status: os.stat_result) -> None:
        digest = self.put(name, data, size, 0o600 | (status.st_mode & 0o100), status.st_mtime)
        self.files.append(StoredFile.of(name, size, digest))
        self.done += size

    def put(self, name: str, data: IO[bytes], size: int, mode: int, at: float) -> str:
        """Write a member, and give its SHA-256."""
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, mode, int(at)
        hashed = _Hashed(data)
        self.archive.addfile(member, hashed)  # pyright: ignore[reportArgumentType] - reads it, and no more
        return hashed.digest.hexdigest()

    def _put_folder(self, one: Found) -> None:
        member = tarfile.TarInfo(one.name)
        member.type, member.mode = tarfile.DIRTYPE, 0o700
        self.archive.addfile(member)


class _Hashed:
    """What is read from it is hashed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data
