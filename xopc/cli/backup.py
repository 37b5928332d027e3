"""`xopc backup`: everything that a gateway cannot be made again without, in one file."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from xopc.cli.gateway.target import find_target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import as_typed, fail, print_json, size
from xopc.config.paths import from_home
from xopc.contracts.errors import Failure, XopcError
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.service.backup.making import Progress, Source
    from xopc.service.backup.manifest import Manifest

FOLDER = "backups"
"""In the state directory."""
NAME = re.compile(r"xopc-(\d{8}-\d{6})(?:-(\d+))?\.tar\.gz")
MAX_SHOWN = 5
PROGRESS_SECONDS = 0.2
LEAST_FREE_BYTES = 64 * 1024 * 1024
"""Left on the disk that the backup is written to."""


def backup(
    *,
    output: Annotated[
        str | None,
        Parameter(
            name=("--output", "-o"),
            allow_leading_hyphen=True,
            help="The file to write, instead of one in ~/.xopc/backups; - is standard output.",
        ),
    ] = None,
    no_workspace: Annotated[bool, Parameter(name="--no-workspace", help="Leave the workspace out.")] = False,
    keep: Annotated[
        int | None,
        Parameter(
            validator=validators.Number(gte=1),
            help="Afterwards, remove all but so many of the newest in ~/.xopc/backups.",
        ),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Write the database, configuration, credentials and workspace to one file, while the gateway goes on.

    The file holds secrets. How to encrypt it on its way: docs/how-to/back-up-and-restore.md.
    """
    if output == "-" and as_json:
        return fail("--output - writes the backup to standard output, so --json has no place there.", as_json=as_json)
    if keep is not None and output is not None:
        return fail("--keep is for the backups in ~/.xopc/backups: leave out --output.", as_json=as_json)
    from xopc.service.backup.making import Source

    target = find_target(config)
    warnings: list[str] = []
    if (resolved := target.effective) is None:
        warnings.append("The configuration does not validate, so the workspace is taken to be in its default place.")
    source = Source(resolved.paths if resolved else target.paths, workspace=not no_workspace)
    if not source.paths.config_path.exists() and not source.paths.database.exists():
        what = f"There is nothing to back up: neither {source.paths.config_path} nor {source.paths.database} is there."
        return fail(what, as_json=as_json, hints=["xopc gateway status tells which files a gateway has"])
    began = time.monotonic()
    with _working_folder(source.paths.state_dir / FOLDER) as folder:
        if output == "-":
            return _to_standard_output(source, folder)
        path = _new_name(folder) if output is None else Path(output).absolute()
        manifest = _to_file(source, path, folder)
        removed = _remove_old(folder, keep) if keep is not None else []
    milliseconds = round((time.monotonic() - began) * 1000)
    if as_json:
        print_json(_as_json(path, manifest, warnings, removed, milliseconds))
    else:
        _tell(path, manifest, warnings, removed)
    return EXIT_OK


def _new_name(folder: Path) -> Path:
    """Named by the time; never that of another one."""
    stamp, number = time.strftime("%Y%m%d-%H%M%S"), 1
    while (path := folder / f"xopc-{stamp}{f'-{number}' if number > 1 else ''}.tar.gz").exists():
        number += 1
    return path


def _to_standard_output(source: Source, folder: Path) -> int:
    from xopc.service.backup.making import make_backup

    if sys.stdout.isatty():
        return fail("A backup is not for the terminal: send it to a file or a program.", as_json=False)
    out = sys.stdout.buffer
    manifest = make_backup(source, out, folder)
    out.flush()
    print(f"✅ Backup written: {contents(manifest)}", file=sys.stderr)
    for line in left_out(manifest):
        print(line, file=sys.stderr)
    return EXIT_OK


def _to_file(source: Source, path: Path, folder: Path) -> Manifest:
    """Write a backup under another name, read it again, and give it its own: under that, it is whole or not there."""
    from xopc.service.backup.making import make_backup
    from xopc.service.backup.reading import verify

    if path.is_dir():
        raise XopcError(Failure.CONFLICT, f"{path} is a folder: name a file in it.")
    if not path.parent.is_dir():
        raise XopcError(Failure.CONFLICT, f"There is no folder {path.parent}: make it, or name another.")
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            manifest = make_backup(source, file, folder, _watching(path.parent, _progress()))
            file.flush()
            os.fsync(file.fileno())
            verify(file, str(unfinished))
        unfinished.replace(path)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _no_room(path.parent, "full") from error
    finally:
        unfinished.unlink(missing_ok=True)
        _progress_end()
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return manifest


@contextmanager
def _working_folder(folder: Path) -> Generator[Path]:
    """The folder of the backups, for one backup at a time, without what a killed one left.

    Raises:
        XopcError: another one is at work.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise XopcError(Failure.CONFLICT, f"Another backup is at work in {folder}. Wait for its end.") from None
        from xopc.service.backup.manifest import DATABASE

        for leftover in (*folder.glob(".*.unfinished"), *folder.glob(f"{DATABASE}*")):
            leftover.unlink(missing_ok=True)
        yield folder
    finally:
        os.close(descriptor)


def _remove_old(folder: Path, keep: int) -> list[str]:
    """Remove the oldest beyond so many; what has another name is somebody's own."""
    found = [(match, path) for path in folder.iterdir() if (match := NAME.fullmatch(path.name)) and path.is_file()]
    old = [path for _, path in sorted(found, key=lambda one: (one[0][1], int(one[0][2] or 1)))[:-keep]]
    for path in old:
        path.unlink(missing_ok=True)
    return [str(path) for path in old]


def _watching(folder: Path, tell: Progress) -> Progress:
    """Stop before the disk is full: a gateway may need it for its next messages."""

    def watch(name: str, done: int) -> None:
        disk = os.statvfs(folder)
        if disk.f_blocks and disk.f_bavail * disk.f_frsize < LEAST_FREE_BYTES:
            raise _no_room(folder, f"nearly full after {size(done)}")
        tell(name, done)

    return watch


def _no_room(folder: Path, how: str) -> XopcError:
    what = f"The disk of {folder} is {how}, so the backup was given up, and removed"
    cure = "Free some room, name a file on another disk with --output, or leave out the workspace"
    return XopcError(Failure.UNAVAILABLE, f"{what}. {cure} (--no-workspace).")


def _progress() -> Progress:
    """A line on the terminal that says how far it is; nothing where there is none."""
    if not sys.stderr.isatty():
        return lambda _name, _bytes: None
    last = 0.0

    def tell(name: str, done: int) -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= PROGRESS_SECONDS:
            last = now
            shown = name if len(name) <= 50 else f"…{name[-49:]}"
            print(f"\r\033[K{size(done)}  {shown}", end="", file=sys.stderr, flush=True)

    return tell


def _progress_end() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def _as_json(
    path: Path, manifest: Manifest, warnings: list[str], removed: list[str], milliseconds: int
) -> dict[str, object]:
    return {
        "ok": True,
        "path": str(path),
        "bytes": path.stat().st_size,
        "version": manifest.version,
        "schema": manifest.schema,
        "createdAt": manifest.created_at,
        "files": len(manifest.files),
        "unpackedBytes": manifest.bytes,
        "leftOut": [{"path": one.path, "why": one.why} for one in manifest.left_out],
        "leftOutCount": manifest.left_out_count,
        "removed": removed,
        "durationMs": milliseconds,
        "warnings": warnings,
    }


def _tell(path: Path, manifest: Manifest, warnings: list[str], removed: list[str]) -> None:
    print(f"✅ Backup made: {from_home(path)} ({size(path.stat().st_size)})")
    print(f"   {contents(manifest)}")
    for line in left_out(manifest):
        print(line)
    for warning in warnings:
        print(f"⚠️ {warning}")
    if removed:
        print(f"   {len(removed)} older removed")
    print(as_typed("💡 It holds secrets: keep it where nobody else reads it. Put it back with: xopc restore FILE"))


def contents(manifest: Manifest) -> str:
    """What is in it: `database 34 MB (schema 8), configuration, credentials, workspace (120 files, 3 MB)`."""
    from xopc.service.backup.manifest import CONFIG, CREDENTIALS, DATABASE, MODELS, SECRETS, SERVICE, WORKSPACE

    words: list[str] = []
    for part, name in (
        (DATABASE, "database"),
        (CONFIG, "configuration"),
        (MODELS, "models"),
        (CREDENTIALS, "credentials"),
        (SECRETS, "secrets"),
        (SERVICE, "service"),
        (WORKSPACE, "workspace"),
    ):
        files = [file for file in manifest.files if file.path.split("/", 1)[0] == part]
        amount = size(sum(file.bytes for file in files))
        if part == DATABASE and files:
            words.append(f"{name} {amount} (schema {manifest.schema})")
        elif part == WORKSPACE:
            count = f"{len(files)} file{'' if len(files) == 1 else 's'}, {amount}"
            words.append(f"{name} ({count})" if part in manifest.parts else f"no {name}")
        elif files:
            words.append(name)
    return ", ".join(words)


def left_out(manifest: Manifest) -> list[str]:
    """Lines about what is not in it."""
    if not manifest.left_out_count:
        return []
    lines = [f"⚠️ {manifest.left_out_count} left out:"]
    lines += [f"      {one.path!a} ({one.why})" for one in manifest.left_out[:MAX_SHOWN]]
    if (more := manifest.left_out_count - MAX_SHOWN) > 0:
        lines.append(f"      … and {more} more")
    return lines
