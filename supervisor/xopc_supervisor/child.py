"""A child process and the line to it: a Unix socketpair, a word a line both ways; its end of file is the lifeline."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from xopc_supervisor import contract
from xopc_supervisor.contract import Address, Inheritance

NOT_FOR_CHILDREN = (
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LISTEN_FDNAMES",
    "FDSTORE",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
)
"""What a service manager says to its main process alone."""
MAX_PENDING_BYTES = 64 * 1024


class Rebound(NamedTuple):
    """Listening sockets for other addresses than before."""

    addresses: tuple[Address, ...]
    listeners: list[socket.socket]


class Child:
    """One child process, and the supervisor's end of its line."""

    def __init__(self, pid: int, boot_id: str, line: socket.socket) -> None:
        """*Ownership*: closes `line`, in `bury`."""
        self.pid = pid
        self.boot_id = boot_id
        self.start_time = contract.start_time(pid)
        self.version: str | None = None
        """What it said at `standby`."""
        self.is_spare = False
        """Whether it has not looked at the configuration, and waits for a crash."""
        self.rebound: Rebound | None = None
        """The sockets that it asked for with `listen`, until it is the one that serves."""
        self._line = line
        self._pending = b""

    def fileno(self) -> int:
        """Of the line, for select; -1 once it is closed."""
        return self._line.fileno()

    def tell(self, line: str, fds: Sequence[int] = ()) -> bool:
        """Say a line, with copies of descriptors, without waiting; False where the child does not read or is gone."""
        data = f"{' '.join(line.split())}\n".encode("utf-8", "replace")
        try:
            return socket.send_fds(self._line, [data], fds) == len(data)
        except OSError:
            return False

    def hear(self) -> list[str]:
        """The lines that have come in full. At the end of file the line is closed."""
        try:
            data = self._line.recv(4096)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self._line.close()
            return []
        *lines, self._pending = (self._pending + data).split(b"\n")
        self._pending = self._pending[-MAX_PENDING_BYTES:]
        return [line.decode("utf-8", "replace") for line in lines]

    def signal(self, number: int) -> None:
        """Send a signal to the child alone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def bury(self) -> None:
        """After its end: kill what is left of its process group, and close the line."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._line.close()


def spawn(
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    lock_fd: int,
    listeners: Sequence[socket.socket],
    boot_id: str,
    heirloom: socket.socket | None = None,
    use_accepted: bool = False,
    is_spare: bool = False,
) -> Child:
    """Start a process in a group of its own, with the lock, the sockets, the heirloom and its end of the line.

    Its standard input is empty: it must not read from the terminal that the supervisor was started on.

    Raises:
        OSError: the system would not.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    try:
        listen_fds = tuple(listener.fileno() for listener in listeners)
        heirloom_fd = heirloom.fileno() if heirloom else None
        inherited = [theirs.fileno(), lock_fd, *listen_fds, *([] if heirloom_fd is None else [heirloom_fd])]
        inheritance = Inheritance(
            line_fd=theirs.fileno(),
            lock_fd=lock_fd,
            listen_fds=listen_fds,
            boot_id=boot_id,
            supervisor_pid=os.getpid(),
            heirloom_fd=heirloom_fd,
            use_accepted=use_accepted,
            is_spare=is_spare,
        )
        kept = {name: value for name, value in environ.items() if name not in NOT_FOR_CHILDREN}
        for fd in inherited:
            os.set_inheritable(fd, True)
        try:
            pid = os.posix_spawn(
                command[0],
                list(command),
                {**kept, contract.INHERITANCE_VARIABLE: inheritance.to_json()},
                file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
                setpgroup=0,
                setsigmask=(),
                setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD),
            )
        finally:
            for fd in inherited:
                os.set_inheritable(fd, False)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    child = Child(pid, boot_id, ours)
    child.is_spare = is_spare
    return child
