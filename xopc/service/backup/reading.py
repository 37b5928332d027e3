"""Reads a backup, and believes nothing of it: each name, each kind of member and each sum is checked.

Nothing here uses `extractall`: only plain files and folders are taken, below the names that a backup has, and never
through a link.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, Self

from attrs import frozen

from xopc.contracts.errors import Failure, XopcError
from xopc.service.backup.manifest import CONFIG, FILES, MANIFEST, PARTS, Manifest, StoredFile, spelled

BLOCK_BYTES = 1024 * 1024
MAX_MANIFEST_BYTES = 256 * 1024 * 1024
MAX_CONFIG_BYTES = 4 * 1024 * 1024
MAX_MEMBERS = 2_000_000
MAX_HEADER_BYTES = 1024 * 1024
"""Of a header that is longer than a block, as a long name needs one: tarfile takes all of it into memory."""
_LONG_HEADERS = frozenset({b"x", b"g", b"X", b"L", b"K"})
"""Of pax, Solaris and GNU: the kinds of members that are headers of the next one."""


@frozen
class Verified:
    """A backup of which every byte was compared with its sum."""

    manifest: Manifest
    config: bytes | None
    """The content of the configuration in it."""


def verify(file: IO[bytes], name: str) -> Verified:
    """Read all of an archive, from its beginning, and write nothing. `name` is what it is called in errors.

    Raises:
        XopcError: it is damaged, cut off, no backup, made by a newer xopc, or made to do harm.
    """
    return _read(file, name, None)


def unpack(file: IO[bytes], name: str, roots: Mapping[str, Path]) -> Verified:
    """The same, and write what is in it: each part to its path in `roots`, which does not exist yet. Parts that are not
    in `roots` are left out. Files are for their owner alone.

    Raises:
        XopcError: as `verify`; what was written so far is the caller's to remove.
        OSError: it cannot be written.
    """
    return _read(file, name, roots)


def _read(file: IO[bytes], name: str, roots: Mapping[str, Path] | None) -> Verified:
    file.seek(0)
    reader = _Reader(name, roots)
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as packed:
            with tarfile.open(fileobj=packed, mode="r|", tarinfo=_Header) as archive:
                for member in archive:
                    reader.take(archive, member)
            while packed.read(BLOCK_BYTES):  # to its end, where gzip's own sum is
                pass
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:  # the last: numbers of a header
        raise reader.refusal(f"is damaged or cut off ({error})") from error
    except OSError as error:
        if error.errno is not None:  # gzip's own have none
            raise
        raise reader.refusal(f"is damaged, or no .tar.gz ({error})") from error
    return reader.end()


class _Header(tarfile.TarInfo):
    """A header that takes no more than it may."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """As it stands in a block.

        Raises:
            ReadError: it announces more than a header has.
        """
        header = super().frombuf(buf, encoding, errors)
        if header.type in _LONG_HEADERS and not 0 <= header.size <= MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {header.size} bytes")
        return header


class _Reader:
    def __init__(self, name: str, roots: Mapping[str, Path] | None) -> None:
        self._name = name
        self._roots = roots
        self._files: dict[str, StoredFile] = {}
        self._folders: set[str] = set()
        self._manifest: Manifest | None = None
        self._config: bytes | None = None

    def refusal(self, what: str) -> XopcError:
        return XopcError(Failure.CONFLICT, f"{self._name} {what}. Nothing was restored; use another backup.")

    def take(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Look at the next member, and write it where it is wanted."""
        if self._manifest is not None:
            raise self.refusal(f"goes on behind its {MANIFEST}, so somebody has changed it")
        if len(self._files) + len(self._folders) >= MAX_MEMBERS:
            raise self.refusal(f"has more than {MAX_MEMBERS} files")
        path = self._checked(member)
        if member.isdir():
            self._folders.add(str(path))
            if (target := self._target(path)) is not None:
                target.mkdir(mode=0o700, parents=True, exist_ok=True)
            return
        data = archive.extractfile(member)
        assert data is not None  # noqa: S101  it is a regular file
        with data:
            if member.name == MANIFEST:
                self._manifest = self._read_manifest(data, member.size)
            else:
                self._store(data, member, path)

    def end(self) -> Verified:
        """What was read, compared with what the manifest says of it."""
        if self._manifest is None:
            raise self.refusal(f"has no {MANIFEST} at its end: it is cut off, or no backup of xopc")
        told = {file.path: file for file in self._manifest.files}
        for path in sorted(told.keys() | self._files.keys()):
            if path not in self._files:
                raise self.refusal(f"lacks {path!r}, which its {MANIFEST} names")
            if path not in told:
                raise self.refusal(f"has {path!r}, which its {MANIFEST} does not name")
            if told[path] != self._files[path]:
                raise self.refusal(f"is damaged: {path!r} is not what its {MANIFEST} says")
        return Verified(self._manifest, self._config)

    def _checked(self, member: tarfile.TarInfo) -> PurePosixPath:
        """The path of a member that may be there."""
        shown, path = repr(member.name[:200]), PurePosixPath(member.name)
        # A sparse one may be endless, and takes no room in the archive.
        if not (member.isreg() or member.isdir()) or member.issparse():
            raise self.refusal(f"holds {shown}, which is neither a file nor a folder: no backup has such")
        if "\0" in member.name or ".." in path.parts or not path.parts or path.is_absolute():
            raise self.refusal(f"holds {shown}, which leads out of its folder: no backup has such")
        if path.parts[0] not in PARTS and member.name != MANIFEST:
            raise self.refusal(f"holds {shown}, which no backup of this version has")
        if path.parts[0] in FILES and (member.isdir() or len(path.parts) > 1):
            raise self.refusal(f"holds {shown}, where every backup has a file")
        if spelled(str(path)) in self._files or (member.isreg() and str(path) in self._folders):
            raise self.refusal(f"holds {shown} twice")
        return path

    def _target(self, path: PurePosixPath) -> Path | None:
        root = self._roots.get(path.parts[0]) if self._roots is not None else None
        return None if root is None else root.joinpath(*path.parts[1:])

    def _read_manifest(self, data: IO[bytes], size: int) -> Manifest:
        if size > MAX_MANIFEST_BYTES:
            raise self.refusal(f"has a {MANIFEST} of {size} bytes, which is too much")
        return Manifest.from_json(data.read())

    def _store(self, data: IO[bytes], member: tarfile.TarInfo, path: PurePosixPath) -> None:
        target = self._target(path)
        digest, size, kept = hashlib.sha256(), 0, bytearray()
        file = None if target is None else _create(target, member.mode)
        try:
            while block := data.read(BLOCK_BYTES):
                digest.update(block)
                size += len(block)
                if file is not None:
                    file.write(block)
                if member.name == CONFIG and size <= MAX_CONFIG_BYTES:
                    kept += block
        finally:
            if file is not None:
                file.close()
        if target is not None:
            with suppress(ValueError, OverflowError, OSError):  # no date that a file can have
                os.utime(target, (member.mtime, member.mtime))
        if member.name == CONFIG:
            self._config = bytes(kept)
        stored = StoredFile.of(str(path), size, digest.hexdigest())
        self._files[stored.path] = stored


def _create(target: Path, mode: int) -> IO[bytes]:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    return os.fdopen(os.open(target, flags, 0o600 | (mode & 0o100)), "wb")
