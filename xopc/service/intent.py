"""The restart intent, written beside the signal that announces it, and taken back when nobody wants it."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from xopc.config.regular import IrregularFileError, read_regular
from xopc_supervisor.contract import LockInfo, RestartIntent


def intent_for(owner: LockInfo, mode: str, reason: str) -> RestartIntent:
    """What is left for the gateway that runs, beside the signal."""
    return RestartIntent(owner.pid, owner.boot_id, mode, reason, int(datetime.now(UTC).timestamp() * 1000))


@contextmanager
def pending_intent(path: Path, intent: RestartIntent) -> Generator[PendingIntent, None, None]:
    """Leave an intent at `path`. It is withdrawn at the end in any case: the next restart must not find it.

    Raises:
        OSError: it cannot be written.
    """
    pending = PendingIntent(path, _fitting(intent).to_json().encode())
    pending.write()
    try:
        yield pending
    finally:
        pending.withdraw()


def drop_intent(path: Path, pid: int) -> None:
    """Remove an intent for the supervisor `pid`, which is about to be told to stop.

    A restart that was killed leaves one, and one that goes on at the same time has one there; either would have the
    supervisor take the stop for a restart.
    """
    with suppress(OSError):
        intent = RestartIntent.from_json(read_regular(path, RestartIntent.MAX_BYTES).decode("utf-8", "replace"))
        if intent is not None and intent.pid == pid:
            path.unlink()


class PendingIntent:
    """An intent that waits for the gateway."""

    def __init__(self, path: Path, text: bytes) -> None:
        self._path = path
        self._text = text

    def write(self) -> None:
        """Put it there whole, for the owner alone to read."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(fd, "wb") as file:
                if sys.platform != "win32" and os.geteuid() == 0:
                    # What root leaves for a gateway of another user, that gateway has to be able to read.
                    directory = self._path.parent.stat()
                    os.fchown(fd, directory.st_uid, directory.st_gid)
                file.write(self._text)
            draft.replace(self._path)
        except BaseException as error:
            with suppress(OSError):  # on a read-only disk not even what is not there can be removed
                draft.unlink()
            if isinstance(error, OSError):
                raise OSError(error.errno, error.strerror, str(self._path)) from error
            raise

    def is_consumed(self) -> bool:
        """Whether the gateway took it, or another command put its own in its place."""
        try:
            return read_regular(self._path, RestartIntent.MAX_BYTES) != self._text
        except (FileNotFoundError, IrregularFileError):
            return True

    def withdraw(self) -> None:
        """Remove it, unless it was consumed."""
        with suppress(OSError):
            if not self.is_consumed():
                self._path.unlink()


def _fitting(intent: RestartIntent) -> RestartIntent:
    """The intent with its reason cut to what the reader accepts; in JSON a sign takes up to twelve bytes."""
    intent = intent._replace(reason=" ".join(intent.reason.split())[: RestartIntent.MAX_REASON_CHARS])
    while len(intent.to_json()) > RestartIntent.MAX_BYTES:
        intent = intent._replace(reason=intent.reason[:-1])
    return intent
