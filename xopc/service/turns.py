"""Lets commands that would disturb each other do their work one after the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from xopc.service.poll import attempts


@contextmanager
def turn_at(directory: Path, seconds: float) -> Generator[None]:
    """Wait until no other command has its turn at this directory, and have it for as long as the block runs.

    After so many seconds it is not waited any longer: whoever has the turn may hang. A turn is the kernel's `flock` on
    the directory itself, so it ends with the process that has it, and leaves nothing. Where there is no directory, or
    no flock, there is nobody to wait for.
    """
    descriptor = _opened(directory)
    if descriptor is None:
        yield
        return
    try:
        for _ in attempts(seconds, first=0.02, longest=0.2):
            if _is_had(descriptor):
                break
        yield
    finally:
        os.close(descriptor)


def _opened(directory: Path) -> int | None:
    if sys.platform == "win32":
        return None
    try:
        return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None


def _is_had(descriptor: int) -> bool:
    if sys.platform != "win32":
        import fcntl  # noqa: PLC0415 - not there on Windows

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return not isinstance(error, BlockingIOError)  # else the file system knows no locks
    return True
