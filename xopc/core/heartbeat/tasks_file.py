"""`HEARTBEAT.md` in the workspace: what the agent is to look after, in people's words."""

from __future__ import annotations

from pathlib import Path

from xopc.config.write import write_private
from xopc.contracts.api_heartbeat import MAX_TASKS_CHARS, TASKS_FILE as NAME

MAX_BYTES = 4 * MAX_TASKS_CHARS
"""As many as so many characters can have."""


class TasksFileError(Exception):
    """The file cannot be used. The message says why, without where it is."""


def read_tasks(workspace: Path) -> str | None:
    """The text of the file; None where there is none. What is no UTF-8 is replaced.

    Raises:
        TasksFileError: it cannot be read, or is too long.
    """
    path = workspace / NAME
    try:
        if path.exists() and not path.is_file():  # a pipe could be waited for without end
            raise TasksFileError(f"{NAME} is no file.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
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
        TasksFileError: it cannot be written; it is as it was.
    """
    path = (workspace / NAME).resolve()
    try:
        if path.exists() and not path.is_file():
            raise TasksFileError(f"{NAME} is no file.")
        write_private(path, text.encode(errors="replace"))
    except OSError as error:
        raise TasksFileError(f"{NAME} cannot be written: {error.strerror}.") from error
