"""Runs the operating system's own tools, for commands alone: no event loop waits for them."""

from __future__ import annotations

import shlex
import subprocess  # noqa: TID251 - see above
from collections.abc import Mapping

from attrs import frozen

from xopc.service.managers.base import ServiceManagerError

TOOL_SECONDS = 30.0
"""A manager that stops a gateway waits for its drain."""
LOOK_SECONDS = 5.0
"""For what changes nothing: a manager that hangs is not waited for as one that stops a gateway is."""


@frozen
class Ran:
    """What came of a tool."""

    command: str
    code: int
    output: str
    """What it printed, without the blank ends."""
    errors: str

    def check(self) -> Ran:
        """Itself.

        Raises:
            ServiceManagerError: it failed.
        """
        if self.code != 0:
            said = self.errors or self.output or "it said nothing"
            raise ServiceManagerError(f"`{self.command}` ended with exit code {self.code}: {said}")
        return self


def run_tool(
    *command: str, environ: Mapping[str, str] | None = None, seconds: float = TOOL_SECONDS, encoding: str = "utf-8"
) -> Ran:
    """Run a tool to its end; in the environment of this process, where no other is given. `encoding` is its output's.

    Raises:
        ServiceManagerError: it is not there, or does not end.
    """
    shown = shlex.join(command)
    try:
        done = subprocess.run(  # noqa: S603 - there is no shell in it
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding=encoding,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ServiceManagerError(f"`{shown}` did not end within {seconds:g} s") from None
    except OSError as error:
        raise ServiceManagerError(f"`{shown}` cannot be run: {error.strerror}") from None
    return Ran(shown, done.returncode, done.stdout.strip(), done.stderr.strip())
