"""The local key: what commands on this machine prove with that they may read the state directory.

It is no credential and opens nothing. A gateway that blocks all of this machine, because something on it guesses
tokens, still hears a command that shows the key beside the right credential.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from secrets import token_hex

from xopc.config.regular import read_regular

KEY_BYTES = 32
MAX_BYTES = 256


def keep_local_key(path: Path) -> bytes | None:
    """The key in a file, which is made where there is none; None where neither can be done."""
    key = read_local_key(path)
    if key is not None:
        return key.encode()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # what is no key
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{token_hex(KEY_BYTES)}\n")
    except OSError:
        pass  # a disk that is full or read-only; or another process was first
    key = read_local_key(path)
    return None if key is None else key.encode()


def read_local_key(path: Path) -> str | None:
    """The key in a file; None where there is none, or it is not for this user to read."""
    try:
        text = read_regular(path, MAX_BYTES).decode("ascii").strip()
    except (OSError, ValueError):
        return None
    return text if re.fullmatch(rf"[0-9a-f]{{{2 * KEY_BYTES}}}", text) else None
