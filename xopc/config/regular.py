"""Reads files that have an end: a pipe would be waited for without end, and a device such as `/dev/zero` fills the
memory.
"""

from __future__ import annotations

import errno
import stat
from pathlib import Path

MAX_BYTES = 4 * 1024 * 1024
"""More than any file has that a command or the gateway reads as a whole."""


class IrregularFileError(OSError):
    """It is no file of ours: a directory, a pipe, a device, or larger than ours are."""


def read_regular(path: Path, most_bytes: int = MAX_BYTES) -> bytes:
    """The content of a file, or of the one that a link leads to.

    Raises:
        IrregularFileError: it is no regular file, or has more than `most_bytes`.
        OSError: it cannot be read, or there is none.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise IrregularFileError(errno.EINVAL, "it is no regular file: move it away", str(path))
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise IrregularFileError(errno.EFBIG, f"it is larger than {most_bytes} bytes: move it away", str(path))
    return content
