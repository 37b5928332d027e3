"""The last part of a restore: what was unpacked takes the place of what is there, all of it or nothing of it.

No system call exchanges several files at once. So the exchanges are written down first, in a journal that appears as
a whole: before that moment nothing has changed, and after it the restore has happened, whoever has to carry it to its
end. Each exchange may be done again. A process that is killed in the middle leaves the journal, and the next command,
or the next start of the gateway, finishes what is written in it before it looks at anything else.

Nothing is deleted: what was there is moved aside, on its own file system.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import frozen

from xopc.config.paths import RESTORE_NAME, Paths
from xopc.config.regular import read_regular
from xopc.config.write import write_private
from xopc.contracts.convert import restore, unstructure
from xopc.contracts.errors import Failure, InvalidValueError, XopcError
from xopc.service.lockfile import read_lock

STAGING_PREFIX = "restoring-"
ASIDE_PREFIX = "before-restore-"


@frozen
class Exchange:
    """One file or folder that is replaced."""

    target: str
    aside: str
    """Where what is there goes, if anything is."""
    staged: str | None
    """What takes its place; None where nothing does."""


@frozen
class Journal:
    """What is left to do of a restore, as it stands on the disk."""

    backup: str
    """What it was made of, for people."""
    staging: tuple[str, ...]
    """Folders that are of no use afterwards."""
    exchanges: tuple[Exchange, ...]


def journal_path(state_dir: Path) -> Path:
    """Where the journal of a state directory stands, while there is one."""
    return state_dir / RESTORE_NAME


def commit(state_dir: Path, journal: Journal) -> None:
    """Make a restore happen: from here on it is carried out, by this process or another one.

    Raises:
        OSError: the journal cannot be written; nothing is changed.
    """
    write_private(journal_path(state_dir), (json.dumps(unstructure(journal), indent=1) + "\n").encode())


def carry_out(state_dir: Path) -> Journal | None:
    """Do what the journal says, and remove it; None where there is none. The caller holds the gateway still.

    Raises:
        XopcError: the journal cannot be read; or something cannot be moved: it stays then, and it may be tried again.
    """
    path = journal_path(state_dir)
    try:
        return _carry_out(state_dir, path)
    except OSError as error:
        what = f"{error.filename or state_dir}: {error.strerror or error}"
        cure = f"Mend that, and call any command: it goes on where this one stopped, as {path} says"
        raise XopcError(Failure.UNAVAILABLE, f"A restore cannot be brought to its end: {what}. {cure}.") from error


def _carry_out(state_dir: Path, path: Path) -> Journal | None:
    try:
        text = read_regular(path)
    except FileNotFoundError:
        return None
    journal = _read(path, text)
    for exchange in journal.exchanges:
        _exchange(exchange)
    for folder in {Path(exchange.target).parent for exchange in journal.exchanges}:
        if folder.is_dir():  # a part that neither the backup nor this machine has needs none
            _sync(folder)
    path.unlink()
    _sync(state_dir)
    for folder in journal.staging:
        shutil.rmtree(folder, ignore_errors=True)
    return journal


def finish_interrupted(paths: Paths) -> str | None:
    """Finish a restore that was killed after it had begun to take effect; a sentence about it, or None without one.

    Raises:
        XopcError: another process is at it, the journal cannot be read, or something cannot be moved.
    """
    if not journal_path(paths.state_dir).exists():
        return None
    with held_still(paths):
        journal = carry_out(paths.state_dir)
    return journal and f"A restore of {journal.backup} had been interrupted. It is finished now."


def remove_leftovers(state_dir: Path) -> bool:
    """Remove what restores unpacked that were killed before they changed anything. Whether there was such. The caller
    holds the gateway still, and there is no journal."""
    leftovers = [path for path in state_dir.glob(f"{STAGING_PREFIX}*") if path.is_dir()]
    for path in leftovers:
        shutil.rmtree(path, ignore_errors=True)
    return bool(leftovers)


@contextmanager
def held_still(paths: Paths) -> Generator[None]:
    """Let no gateway of this state directory start while the block runs.

    Raises:
        XopcError: one runs: its pid and how to stop it are named; or another restore is at work.
    """
    with ExitStack() as stack:
        for lock in sorted({paths.lock_path, *paths.lock_path.parent.glob("gateway.*.lock")}):
            _take(stack, lock)
        _take(stack, paths.database.with_name(f"{paths.database.name}.lock"))
        yield


def obstacle(paths: Paths) -> str | None:
    """Why nothing can be restored now, as far as is seen without a lock, which might keep a gateway from starting."""
    for path in sorted({paths.lock_path, *paths.lock_path.parent.glob("gateway.*.lock")}):
        lock = read_lock(path)
        if lock.is_alive or lock.orphans:
            return _who_holds(path)
    return None


def _take(stack: ExitStack, path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        stack.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise XopcError(Failure.CONFLICT, _who_holds(path)) from None
        # A gateway that ends removes its lock: the next one makes another file, which is the one that counts.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return


def _who_holds(path: Path) -> str:
    lock = read_lock(path)
    if lock.info is not None and (lock.is_alive or lock.orphans):
        pid = lock.info.pid if lock.is_alive else lock.orphans[0]
        return (
            f"The gateway runs (pid {pid}), and would write over what is restored. Stop it with: xopc gateway stop. "
            "Where a service manager keeps it running: xopc gateway stop --disable. Then try again."
        )
    with suppress(OSError, ValueError):
        if path.name.endswith(".db.lock"):
            pid = int(path.read_text("ascii"))
            return f"The database is in use by process {pid}, which holds {path}. End it, and try again."
    return f"Another restore is at work, and holds {path}. Wait for its end, and try again."


def _exchange(exchange: Exchange) -> None:
    target, aside = Path(exchange.target), Path(exchange.aside)
    staged = None if exchange.staged is None else Path(exchange.staged)
    if staged is not None and not _is_there(staged):
        return  # it was put in place before the process was killed
    if _is_there(target):
        if _is_there(aside):
            if staged is None:
                return  # a new one, since
            aside = _free_name(aside)
        aside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.rename(aside)
        _sync(aside.parent)
    if staged is not None:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        staged.rename(target)


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)


def _free_name(path: Path) -> Path:
    number = 2
    while _is_there(free := path.with_name(f"{path.name}.{number}")):
        number += 1
    return free


def _read(path: Path, text: bytes) -> Journal:
    try:
        value: Any = json.loads(text)
        return restore(value, Journal)
    except (ValueError, InvalidValueError) as error:
        what = f"{path} cannot be read ({error}): a restore was interrupted, and what is left of it is unknown"
        raise XopcError(Failure.BAD_CONFIG, f"{what}. Restore the backup again after moving this file away.") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
