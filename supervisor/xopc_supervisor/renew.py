"""A supervisor that replaces its own code, by exec: its pid, its lock, its sockets and its child stay.

The code on disk is tried first, in a process of its own that reads what it would be handed. Only when that went well
is the running code given up. It stands where the running code came from, or in another environment that has taken the
place of that one; a process names its environment without links, so that no switch of `current` mixes two versions.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple, NoReturn, cast

from xopc_supervisor import contract
from xopc_supervisor.child import Child
from xopc_supervisor.contract import Installation, JsonObject, Launch
from xopc_supervisor.lock import Lock
from xopc_supervisor.states import Phase, State

VARIABLE = "XOPC_RESUMPTION"
"""`Resumption` as JSON, from the old code to the new."""
CHECK = "check"
"""Argument that makes the new code read the resumption, and do nothing."""
CHECK_SECONDS = 10.0
HASTY_CHECK_SECONDS = 2.0
"""While nobody serves."""
POLL_SECONDS = 0.02


class Resumption(NamedTuple):
    """What one supervisor's code leaves to the next. The descriptors are open, and its to close."""

    lock_fd: int
    listen_fds: tuple[int, ...]
    state: JsonObject
    announced: bool
    down_since: float | None
    child_pid: int | None = None
    child_boot_id: str = ""
    child_version: str | None = None
    line_fd: int = -1
    restart: tuple[str, str] | None = None
    """Mode and reason of the restart that made the new code come."""
    foreign_pids: tuple[int, ...] = ()
    """Children that the supervisor did not start, and does not end."""

    def to_json(self) -> str:
        return json.dumps(self._asdict(), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Resumption:
        """What an older supervisor left: fields that it did not know have their defaults, those of ours it did not
        know about are ignored."""
        values = cast("JsonObject", json.loads(text))
        known: JsonObject = {name: values[name] for name in cls._fields if name in values}
        known["listen_fds"] = tuple(known["listen_fds"])
        known["foreign_pids"] = tuple(known.get("foreign_pids", ()))
        known["restart"] = tuple(known["restart"]) if known.get("restart") else None
        resumption = cls(**known)
        state_of(resumption)
        return resumption

    @property
    def fds(self) -> tuple[int, ...]:
        return (self.lock_fd, *self.listen_fds, *([self.line_fd] if self.line_fd >= 0 else []))


class Installed(NamedTuple):
    """The code that is to be started from now on."""

    launch: Launch
    """With the programs of its environment."""
    python: str
    """What runs the supervisor."""
    version: str | None
    """None where it cannot be told."""


def installed(launch: Launch) -> Installed:
    """What has taken the place of the code that `launch` names, which is that code itself as a rule."""
    own = os.path.dirname(os.path.dirname(launch.command[0]))
    record = Installation.read(own) if os.path.isabs(own) else None
    if record is not None:
        current = os.path.realpath(os.path.join(own, record.current))
        python = os.path.join(current, "bin", "python")
        theirs = Installation.read(current)
        if theirs is not None and current != os.path.realpath(own) and os.access(python, os.X_OK):
            launch = launch._replace(
                command=(python, *launch.command[1:]),
                explain_port=(python, *launch.explain_port[1:]),
                version_file=os.path.join(current, theirs.version_file),
            )
            return Installed(launch, python, installed_version(launch.version_file))
    return Installed(launch, sys.executable, installed_version(launch.version_file))


def installed_version(path: str) -> str | None:
    """The `__version__` that the file assigns, or None where it cannot be told."""
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                name, equals, value = line.partition("=")
                if equals and name.strip() == "__version__":
                    return value.strip().strip("\"'")
    except (OSError, UnicodeDecodeError):
        pass
    return None


def check(resumption: Resumption, code: Installed, seconds: float = CHECK_SECONDS) -> str | None:
    """Why the supervisor on disk cannot go on from there; None when it can. Blocks for so long at most."""
    read, write = os.pipe()
    try:
        pid = os.posix_spawn(
            code.python,
            [*_command(code), CHECK],
            _environ(resumption, code),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, write, 2),
            ],
            setsigmask=(),
            setsigdef=(signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP),
        )
    except OSError as error:
        os.close(read)
        return f"no process could be started: {error.strerror}"
    finally:
        os.close(write)
    os.set_blocking(read, False)
    deadline = time.monotonic() + seconds
    said = b""
    while True:
        with contextlib.suppress(BlockingIOError):
            said += os.read(read, 64 * 1024)
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            break
        if time.monotonic() >= deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(read)
            return f"it did not start within {seconds:g} s"
        time.sleep(POLL_SECONDS)  # noqa: TID251 - the gateway serves meanwhile; signals wait in their socket
    with contextlib.suppress(BlockingIOError):
        said += os.read(read, 64 * 1024)
    os.close(read)
    if os.waitstatus_to_exitcode(status) == contract.EXIT_OK:
        return None
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"it ended with exit code {os.waitstatus_to_exitcode(status)}"


def replace(
    resumption: Resumption, code: Installed, shown: Sequence[str], blocked: Sequence[signal.Signals]
) -> NoReturn:
    """Become the supervisor on disk. The signals in `blocked` wait until it handles them.

    Raises:
        OSError: the program cannot be executed; nothing has changed.
    """
    environ = _environ(resumption, code)
    signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        for fd in resumption.fds:
            os.set_inheritable(fd, True)
        os.execve(code.python, [*_command(code), *shown], environ)  # noqa: S606 - there is no shell in it
    finally:
        for fd in resumption.fds:
            os.set_inheritable(fd, False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)


def read() -> Resumption | None:
    """What the code before left in the environment; None at an ordinary start.

    Raises:
        ValueError: it is not understood.
    """
    text = os.environ.pop(VARIABLE, None)
    return None if text is None else Resumption.from_json(text)


def take() -> Resumption | None:
    """The same, to go on with: the descriptors are this process's, and not its children's."""
    resumption = read()
    if resumption is not None:
        for fd in resumption.fds:
            os.set_inheritable(fd, False)
    return resumption


def save(
    lock: Lock,
    listeners: Sequence[socket.socket],
    child: Child | None,
    state: State,
    *,
    announced: bool,
    down_since: float | None,
    restart: tuple[str, str] | None,
    foreign_pids: tuple[int, ...] = (),
) -> Resumption:
    """What the next code needs to go on."""
    plain: JsonObject = {name: value for name, value in state._asdict().items() if _is_plain(value)}
    return Resumption(
        lock_fd=lock.fd,
        listen_fds=tuple(listener.fileno() for listener in listeners),
        state={**plain, "phase": state.phase.value},
        announced=announced,
        down_since=down_since,
        child_pid=child.pid if child else None,
        child_boot_id=child.boot_id if child else "",
        child_version=child.version if child else None,
        line_fd=child.fileno() if child else -1,
        restart=restart,
        foreign_pids=foreign_pids,
    )


def state_of(resumption: Resumption) -> State:
    """The state to go on from.

    Raises:
        ValueError: it has a phase that this code does not know.
    """
    known: JsonObject = {name: value for name, value in resumption.state.items() if name in State._fields}
    known["phase"] = Phase(known["phase"])
    return State(**known)


def child_of(resumption: Resumption) -> Child | None:
    """The child that is running."""
    if resumption.child_pid is None:
        return None
    line = socket.socket(fileno=resumption.line_fd)
    line.setblocking(False)
    child = Child(resumption.child_pid, resumption.child_boot_id, line)
    child.version = resumption.child_version
    return child


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _command(code: Installed) -> list[str]:
    return [code.python, "-P", "-m", "xopc_supervisor", "gateway"]


def _environ(resumption: Resumption, code: Installed) -> dict[str, str]:
    return {**os.environ, VARIABLE: resumption.to_json(), contract.LAUNCH_VARIABLE: code.launch.to_json()}
