"""A secret that stands in a file of its own."""

from __future__ import annotations

import os
import stat
from pathlib import Path

MAX_BYTES = 64 * 1024


class LostError(Exception):
    """A secret that cannot be had. The message says why and what to do, and holds nothing of it."""


def read_secret_file(path: Path, *, is_private: bool = True) -> str:
    """The text of a file, without the line break at its end.

    With `is_private` a file of ours that others may read is refused, as ssh does with its keys. One that somebody else
    owns, such as a secret that a container is given, is as it is.

    Raises:
        LostError: it cannot be read, or is no secret.
    """
    try:
        # A FIFO that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise LostError(f"{path} is not a regular file: name one that holds the secret alone")
            if is_private and is_exposed(status):
                raise LostError(f"{path} can be read by others (mode {status.st_mode & 0o777:04o}): chmod 600 {path}")
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise LostError(f"there is no file {path}: put the secret there, or mend the path") from None
    except OSError as error:
        cure = "let the user that runs the gateway read it, or name another"
        raise LostError(f"{path} cannot be read ({error.strerror}): {cure}") from None
    if len(content) > MAX_BYTES:
        raise LostError(f"{path} is larger than {MAX_BYTES // 1024} KiB: name a file that holds the secret alone")
    return text_of(content, str(path))


def text_of(content: bytes, where: str) -> str:
    """A secret as a text, without the line break at its end.

    Raises:
        LostError: there is none, or it is no text.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise LostError(f"{where} is not UTF-8: a secret is a text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise LostError(f"{where} is empty: put the secret there")
    if "\0" in text:
        raise LostError(f"{where} holds a NUL: a secret is a text")
    return text


def is_exposed(status: os.stat_result) -> bool:
    """Whether others may read a file of ours."""
    return status.st_uid == os.geteuid() and bool(status.st_mode & 0o077)
