"""`HEARTBEAT.md` in the workspace: what the agent is to look after, in people's words."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from xopc.config.write import write_private
from xopc.contracts.api.heartbeat import MAX_TASKS_CHARS, TASKS_FILE as NAME

MAX_BYTES = 4 * MAX_TASKS_CHARS
"""As many as so many characters can have."""


class TasksFileError(Exception):
    """The file cannot be used. The message says why, without where it is."""


def read_tasks(workspace: Path) -> str | None:
    """The text of the file; None where there is none. What is no UTF-8 is replaced.

    Raises:
        TasksFileError: it cannot be read, is too long, or leads out of the workspace.
    """
    try:
        content = _content(_place(workspace))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TasksFileError(f"{NAME} cannot be read: {error.strerror}.") from error
    text = content.decode(errors="replace")
    if len(content) > MAX_BYTES or len(text) > MAX_TASKS_CHARS:
        raise TasksFileError(f"{NAME} is longer than {MAX_TASKS_CHARS} characters: shorten it.")
    return text


def write_tasks(workspace: Path, text: str) -> None:
    """Write the file anew, whole or not at all. A symbolic link stays one: the file that it points to is replaced.

    Raises:
        TasksFileError: it cannot be written, or leads out of the workspace; it is as it was.
    """
    try:
        path = _place(workspace)
        if path.exists() and not path.is_file():
            raise TasksFileError(f"{NAME} is no file.")
        write_private(path, text.encode(errors="replace"))
    except OSError as error:
        raise TasksFileError(f"{NAME} cannot be written: {error.strerror}.") from error


def _place(workspace: Path) -> Path:
    """Where the file is in truth.

    Raises:
        TasksFileError: not in the workspace. Whoever may write there could have any file read and replaced, this
            gateway's secrets among them.
        OSError: the links lead nowhere.
    """
    root = os.path.realpath(workspace)
    path = os.path.realpath(workspace / NAME)  # unlike `Path.resolve`, it takes links that lead in a circle
    if not Path(path).is_relative_to(root):
        raise TasksFileError(f"{NAME} is a link out of the workspace: put the file itself there.")
    return Path(path)


def _content(path: Path) -> bytes:
    # The look at what it is comes after the opening: it may be another one by then. A pipe is not waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise TasksFileError(f"{NAME} is no file.")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
