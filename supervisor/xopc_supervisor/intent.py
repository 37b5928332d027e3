"""The restart intent: a file that says what a SIGUSR1 is meant to do. Read once, then gone."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable

from xopc_supervisor.contract import RestartIntent


def consume(
    path: str, pid: int, boot_id: str | None, complain: Callable[[str], object] | None = None
) -> RestartIntent | None:
    """The intent for supervisor `pid` and child `boot_id`, if there is a fresh one.

    The file is removed when it was for them, when it is stale, and when it is no intent at all. One that is
    addressed to another gateway, and fresh, is left to it. One that is there and cannot be read counts as none, stays,
    and is told to `complain` in a sentence: whoever asked sees that nobody took it.
    """
    try:
        data = _read(path)
    except OSError as error:
        if complain is not None and not _is_missing(path):
            complain(f"The restart intent {path} cannot be read ({error.strerror}): it is left out.")
        return None
    intent = RestartIntent.from_json(data.decode("utf-8", "replace")) if len(data) <= RestartIntent.MAX_BYTES else None
    fresh = intent is not None and intent.is_fresh(int(time.time() * 1000))
    ours = intent is not None and intent.is_for(pid, boot_id)
    if ours or not fresh:
        with contextlib.suppress(OSError):
            os.unlink(path)
    return intent if ours and fresh else None


def _is_missing(path: str) -> bool:
    """For certain; without descriptors `open` fails for a file that is not there as for any other."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _read(path: str) -> bytes:
    """What is in the file, as far as it counts; nothing of what is no file.

    A link is not followed, and a pipe is not waited for.

    Raises:
        OSError: it cannot be read, or there is none.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return b""
        raise
    try:
        return os.read(fd, RestartIntent.MAX_BYTES + 1) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    finally:
        os.close(fd)
