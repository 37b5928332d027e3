"""The restart intent: a file that says what a SIGUSR1 is meant to do. Read once, then gone."""

from __future__ import annotations

import contextlib
import os
import stat
import time

from xopc_supervisor.contract import RestartIntent


def consume(path: str, pid: int, boot_id: str | None) -> RestartIntent | None:
    """The intent for supervisor `pid` and child `boot_id`, if there is a fresh one.

    The file is removed when it was for them, when it is stale, and when it is no intent at all. One that is
    addressed to another gateway, and fresh, is left to it.
    """
    data = _read(path)
    if data is None:
        return None
    intent = RestartIntent.from_json(data.decode("utf-8", "replace")) if len(data) <= RestartIntent.MAX_BYTES else None
    fresh = intent is not None and intent.is_fresh(int(time.time() * 1000))
    ours = intent is not None and intent.is_for(pid, boot_id)
    if ours or not fresh:
        with contextlib.suppress(OSError):
            os.unlink(path)
    return intent if ours and fresh else None


def _read(path: str) -> bytes | None:
    """What is in the file, as far as it counts; nothing of what is no file, and None where there is none to read.

    A link is not followed, and a pipe is not waited for.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b"" if os.path.islink(path) else None
    try:
        return os.read(fd, RestartIntent.MAX_BYTES + 1) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    except OSError:
        return None
    finally:
        os.close(fd)
