"""Who listens at a TCP port. `python -m xopc.service.ports PORT` tells a person."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess  # noqa: TID251 - lsof, for commands alone; no event loop waits for it
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from enum import Enum
from pathlib import Path

import psutil
from attrs import evolve, frozen

from xopc.service.identity import command_line, runs_gateway, signal_target
from xopc.service.keeper import MANAGERS, is_manager

TOOL_SECONDS = 5
MAX_COMMAND_CHARS = 200
_LOCALHOST_6 = {"::1", "::"}


class PortStatus(Enum):
    """Whether somebody listens."""

    FREE = "free"
    BUSY = "busy"
    UNKNOWN = "unknown"


@frozen
class Listener:
    """One process at one address. Several may hold one socket: a supervisor and its child, a server and its workers."""

    pid: int | None
    """None where the process belongs to another user."""
    address: str
    command: str | None = None
    """Its arguments, joined by spaces."""
    gateway_pid: int | None = None
    """The process to signal, where this is a verified gateway."""
    is_manager: bool = False
    """Whether it is a service manager, which may keep the socket for a gateway between two runs of it."""

    @property
    def host(self) -> str:
        """The address without the port; `*` stands for all where lsof was asked."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def only_keeps_it(self) -> bool:
        """Whether it holds the socket for somebody else, as a manager does for a service that it is about to start.

        The first process of a container is called a manager, too, and is none.
        """
        return self.is_manager and Path((self.command or "").split(" ", 1)[0]).name in MANAGERS

    def to_json(self) -> dict[str, object]:
        kind = "gateway" if self.gateway_pid else "other" if self.pid else "unknown"
        return {"pid": self.pid, "address": self.address, "commandLine": self.command, "kind": kind}


@frozen
class PortUse:
    """What was found at a port."""

    port: int
    status: PortStatus
    listeners: tuple[Listener, ...] = ()
    errors: tuple[str, ...] = ()
    """What could not be looked at."""

    @property
    def gateways(self) -> tuple[int, ...]:
        """The processes to signal of the gateways that listen, each once."""
        return tuple(dict.fromkeys(one.gateway_pid for one in self.listeners if one.gateway_pid is not None))

    @property
    def strangers(self) -> tuple[Listener, ...]:
        """The listeners that are not known to be gateways, nor keep a gateway's socket for it."""
        ours = {one.address for one in self.listeners if one.gateway_pid is not None}
        return tuple(
            one for one in self.listeners if one.gateway_pid is None and not (one.is_manager and one.address in ours)
        )

    def neighbour(self, ours: Collection[int]) -> Listener | None:
        """Who listens at `::1`, where `localhost` may lead to, while the processes `ours` listen elsewhere alone."""
        ours_at = {one.host for one in self.listeners if one.pid in ours or one.gateway_pid in ours}
        if not ours_at or ours_at & _LOCALHOST_6:
            return None
        return next((one for one in self.listeners if one.host in _LOCALHOST_6), None)

    @property
    def hints(self) -> tuple[str, ...]:
        """A sentence for each process that listens."""
        return tuple(hint for hint, _ in self.hints_and_cures)

    @property
    def hints_and_cures(self) -> tuple[tuple[str, str], ...]:
        """Each hint with what somebody can do who wants to start a gateway at this port."""
        found = [
            (
                f"xopc gateway is already running (pid {pid}).",
                f"Stop it with `kill {pid}`, or choose another --port.",
            )
            for pid in self.gateways
        ]
        found += [
            (f"Port {self.port} is used by pid {pid}: {command}.", "Stop that process, or choose another --port.")
            for pid, command in {one.pid: one.command or "?" for one in self.strangers if one.pid}.items()
        ]
        if self.status is PortStatus.BUSY and not found:
            what = f"Port {self.port} is used by a process that this user may not see."
            found.append((what, f"`sudo lsof -nP -iTCP:{self.port} -sTCP:LISTEN` names it. Or choose another --port."))
        return tuple(found)

    def to_text(self) -> list[str]:
        """The diagnostics for a person, line by line."""
        lines = [f"Port {self.port}: {self.status.value}"]
        addresses: dict[tuple[int | None, str | None], list[str]] = {}
        for one in self.listeners:
            addresses.setdefault((one.pid, one.command), []).append(one.address)
        lines += [
            f"  Listener: pid={pid or '?'} cmd={command or '?'} addr={','.join(at)}"
            for (pid, command), at in addresses.items()
        ]
        if self.errors:
            lines.append(f"Port diagnostics errors: {'; '.join(self.errors)}")
        return lines

    def to_json(self) -> dict[str, object]:
        return {
            "port": self.port,
            "status": self.status.value,
            "listeners": [one.to_json() for one in self.listeners],
            "hints": list(self.hints),
            "errors": list(self.errors),
        }


def inspect(port: int) -> PortUse:
    """Look who listens at `port`, at any address. Blocks for some milliseconds, or seconds where lsof is needed."""
    try:
        found = _ask_system(port)
        return PortUse(port, PortStatus.BUSY if found else PortStatus.FREE, _identified(found))
    except (psutil.Error, OSError) as error:
        errors = [str(error)]
    try:
        found = _ask_lsof(port)
    except (subprocess.SubprocessError, OSError) as error:
        found = []
        errors.append(str(error))
    return PortUse(port, PortStatus.BUSY if found else _try_to_bind(port), _identified(found), tuple(errors))


def status_of(host: str, port: int) -> PortStatus:
    """Whether a gateway could listen at this address now, by trying."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                candidate.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            candidate.bind((host, port))
    except OSError as error:
        return PortStatus.BUSY if error.errno == errno.EADDRINUSE else PortStatus.UNKNOWN
    return PortStatus.FREE


def _ask_system(port: int) -> list[Listener]:
    found: list[Listener] = []
    sockets: dict[str, str] = {}
    for connection in psutil.net_connections("tcp"):
        if connection.status != psutil.CONN_LISTEN or not connection.laddr or connection.laddr.port != port:
            continue
        found.append(Listener(connection.pid, _join(connection.laddr.ip, port)))
        with suppress(OSError):
            link = Path(f"/proc/{connection.pid}/fd/{connection.fd}").readlink()
            sockets[str(link)] = found[-1].address
    # Of the processes that hold a socket, that was one.
    found += [Listener(pid, sockets[link]) for pid, link in _holders(sockets)] if sockets else []
    return sorted(found, key=lambda one: (one.address, one.pid or 0))


def _holders(links: Collection[str]) -> Iterator[tuple[int, str]]:
    """Each visible process that holds one of these sockets, and which; a socket's link is `socket:[4711]`."""
    for directory in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):  # of another user, or ended in the meantime
            # Not by pathlib, which makes objects of all these thousands.
            for name in os.listdir(directory):  # noqa: PTH208 - see above
                with suppress(OSError):
                    link = os.readlink(f"{directory}/{name}")  # noqa: PTH115 - see above
                    if link in links:
                        yield int(directory.parent.name), link


def _ask_lsof(port: int) -> list[Listener]:
    """macOS shows the sockets of other processes to root alone, but to lsof those of the same user."""
    done = subprocess.run(  # noqa: S603 - fixed arguments and a number
        ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-F", "pcn"],  # noqa: S607 - where it lies differs by system
        capture_output=True,
        text=True,
        timeout=TOOL_SECONDS,
        check=False,  # 1 means that nobody listens
    )
    return parse_lsof(done.stdout)


def parse_lsof(text: str) -> list[Listener]:
    """The listeners in the output of `lsof -F pcn`: one field a line, its first letter names it."""
    listeners: list[Listener] = []
    pid: int | None = None
    for line in text.splitlines():
        if line.startswith("p"):
            pid = int(line[1:])
        elif line.startswith("n"):
            listeners.append(Listener(pid, line[1:]))
    return listeners


def _identified(listeners: list[Listener]) -> tuple[Listener, ...]:
    return tuple(_identify(one) for one in dict.fromkeys(listeners))


def _identify(listener: Listener) -> Listener:
    argv = command_line(listener.pid) if listener.pid else None
    if listener.pid is None or not argv:
        return listener
    # Whoever starts a process chooses its arguments; none of them may move a terminal's cursor.
    command = "".join(sign if sign.isprintable() else "?" for sign in " ".join(argv))
    if len(command) > MAX_COMMAND_CHARS:
        command = f"{command[:MAX_COMMAND_CHARS]}…"
    gateway_pid = signal_target(listener.pid) if runs_gateway(argv) else None
    return evolve(listener, command=command, gateway_pid=gateway_pid, is_manager=is_manager(listener.pid))


def _try_to_bind(port: int) -> PortStatus:
    for host in ("127.0.0.1", "0.0.0.0"):
        status = status_of(host, port)
        if status is not PortStatus.FREE:
            return status
    return PortStatus.FREE


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def main(arguments: list[str]) -> int:
    """Print what a person should know about a port, on standard output."""
    if len(arguments) != 1 or not arguments[0].isdecimal():
        sys.stderr.write("usage: python -m xopc.service.ports PORT\n")
        return 2
    # The supervisor waits for this process without a limit of its own.
    signal.alarm(TOOL_SECONDS)
    use = inspect(int(arguments[0]))
    found = use.hints_and_cures or ((f"Port {use.port} is free by now.", "Try again."),)
    sys.stdout.write("".join(f"   {hint}\n   {cure}\n" for hint, cure in found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
