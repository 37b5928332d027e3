"""Tries another version of xopc before anybody depends on it: on what is there, and as a gateway of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess  # noqa: TID251 - a command's own process, for which no event loop waits
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from attrs import frozen

from xopc.contracts.errors import Failure, XopcError
from xopc.service.installations.build import last_lines
from xopc.service.installations.versions import Environment
from xopc.service.lockfile import read_lock
from xopc.service.managers.base import ServiceManagerError
from xopc.service.managers.tools import run_tool
from xopc.service.poll import attempts
from xopc_supervisor.contract import NO_RESPAWN_VARIABLE, lock_path

TRIAL_SECONDS = 600.0
"""A large database is copied, and its copy migrated."""
START_SECONDS = 30.0
STOP_SECONDS = 10.0
LIFE_SECONDS = 60
"""A gateway that is only tried ends by then, also when the update that tries it was killed."""
_OWN = ("XOPC_", "LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_", "FDSTORE")
"""What a gateway that is only tried must not get to see."""


@frozen
class Verdict:
    """What a version says of a configuration and its database."""

    schema: int
    """The one that it works with."""
    found: int | None
    """The one that the database has; None where the database cannot be used."""
    configuration: str | None
    """What is wrong with it; None where it is valid."""
    database: str | None
    """Why this version cannot go on with it; None where it can."""

    @property
    def brings_schema(self) -> bool:
        """Whether the database will have a schema that the version before may not know."""
        return self.found is not None and 0 < self.found < self.schema


def try_on(environment: Environment, environ: Mapping[str, str]) -> Verdict:
    """Ask a version what it would make of this configuration and this database. Changes nothing.

    Raises:
        XopcError: it cannot be asked: it does not run, or is too old to answer.
    """
    name = f"xopc {environment.version}"
    try:
        command = (str(environment.python), "-P", "-m", "xopc.gateway.trial")
        ran = run_tool(*command, environ=environ, seconds=TRIAL_SECONDS)
    except ServiceManagerError as error:
        raise XopcError(Failure.UNAVAILABLE, str(error)) from None
    if ran.code != 0:
        raise XopcError(Failure.UNAVAILABLE, f"{name} does not run here:\n{reasons(ran.errors or ran.output)}")
    try:
        values = cast("dict[str, Any]", json.loads(ran.output.splitlines()[-1]))
        return Verdict(*(values[key] for key in ("schema", "found", "configuration", "database")))
    except (ValueError, LookupError, TypeError):
        raise XopcError(Failure.UNAVAILABLE, f"{name} gives no answer: {ran.output[:200]}") from None


def try_start(environment: Environment) -> None:
    """Start a gateway of this version that knows nobody: in an empty home, without channels, at a free port.

    Raises:
        XopcError: it does not come to serve; the text holds the end of what it said.
    """
    with tempfile.TemporaryDirectory(prefix="xopc-trial-") as home:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
        with (Path(home) / "output").open("w+", encoding="utf-8", errors="replace") as output:
            process = subprocess.Popen(  # noqa: S603 - there is no shell in it
                [environment.python, "-P", "-m", "xopc", "gateway", "--port", "0"],
                env={**kept, "HOME": home, "XOPC_HOME": home, NO_RESPAWN_VARIABLE: "1"},
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: signal.alarm(LIFE_SECONDS),  # noqa: PLW1509 - this process has one thread
            )
            try:
                served = _comes_to_serve(process, Path(home), environment.version)
            finally:
                _end(process)
            output.seek(0)
            said = output.read()
    if not served:
        what = f"xopc {environment.version} does not start, tried with an empty configuration"
        raise XopcError(Failure.UNAVAILABLE, f"{what}:\n{reasons(said)}")


def reasons(said: str) -> str:
    """Of what a program said before it failed, the lines that tell why; the last ones where none does.

    >>> reasons("Traceback (most recent call last):\\n  ...\\nKeyError: 'a'")
    "   KeyError: 'a'"
    """
    return last_lines("\n".join(filter(None, map(_reason, said.splitlines()))) or said)


def _reason(line: str) -> str | None:
    if not line.startswith("{"):
        return line if re.match(r"[\w.]*(Error|Exception|Exit)\b|❌|Gateway refused", line) else None
    try:
        values = cast("dict[str, Any]", json.loads(line))
        return str(values["message"]) if values["level"] in ("error", "fatal") else None
    except (ValueError, LookupError):
        return None


def _comes_to_serve(process: subprocess.Popen[bytes], home: Path, version: str) -> bool:
    state = home / ".xopc"
    lock = Path(lock_path(str(state), str(state / "xopc.json")))
    for _ in attempts(START_SECONDS, first=0.05, longest=0.2):
        if process.poll() is not None:
            return False
        info = read_lock(lock).info
        if info is not None and info.state == "serving":
            return info.version == version
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
        return
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
