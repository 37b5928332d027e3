"""What the supervisor and the gateway agree on: exit codes, words, environment variables and files.

The only module of the supervisor that `xopc` may import. Standard library only, and little of it:
the supervisor's whole process fits in a few megabytes because nothing here pulls in more.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any, NamedTuple, TypeAlias, cast

# ---------------------------------------------------------------- exit codes

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_GAVE_UP = 70
"""The supervisor saw no child become ready (EX_SOFTWARE of sysexits.h)."""
EXIT_IO = 74
"""Of a child: the disk or the network does not let it start for now (EX_IOERR of sysexits.h). Never given up."""
EXIT_RESTART = 75
"""Of a child: respawn me now, it is not a crash (EX_TEMPFAIL of sysexits.h)."""
EXIT_CONFIG = 78
"""A start that no retry can mend: configuration, authentication (EX_CONFIG of sysexits.h)."""

# ------------------------------------------------- words on the line between

LISTEN = "listen"
"""Child, before `standby`: `listen <json>`, the addresses that its configuration names, where they are not those of
its sockets. The answer is `sockets` or `refused`."""
STANDBY = "standby"
"""Child: imported, configuration valid (a spare has not looked at it), live database not written to.
`standby <version> <schema>`."""
LISTENING = "listening"
"""Child: accepting connections."""
READY = "ready"
"""Child: the first phase of start-up is done and it listens; said again after each in-process restart and reload.
`ready <seconds> <0|1> [accepted]`: how long it may then stay silent (`gateway.watchdogSeconds`; 0 is for ever), whether
a spare is to wait beside it (`gateway.standby`), and whether it serves with the configuration that was last accepted,
because the file does not validate."""
ACCEPTED = "accepted"
ALIVE = "alive"
"""Child: its event loop turns."""
STOPPING = "stopping"
"""Child: draining, and will exit."""
RESTART = "restart"
"""Either way: `restart <mode> <reason>`. To the child a request. From the child an announcement, or, with mode
`respawn`, the wish for a successor, for which it goes on serving until `hand-over`."""
FAILED = "failed"
"""Child: `failed <what, where, what to do>`, before it exits."""
SOCKETS = "sockets"
"""Supervisor: `sockets <count>`: so many descriptors come with the word, in the order of `listen`, without those that
are not required and not to be had."""
REFUSED = "refused"
"""Supervisor: `refused <why>`: there are no sockets for `listen`."""
GO = "go"
"""Supervisor: open the database and serve. `go <json>`, see `Go`."""
HAND_OVER = "hand-over"
"""Supervisor: the successor stands by; drain, and leave the sockets to it. One descriptor comes with the word: idle
connections go through it to the successor's `Inheritance.heirloom_fd`."""
DECLINED = "declined"
"""Supervisor: `declined <why>`: there is no successor; go on."""
STOP = "stop"
"""Supervisor: drain and exit. `stop <reason>`; when the reason begins with `restart `, the service manager starts
the gateway again."""

IN_PROCESS = "in-process"
"""Restart mode: the same process replaces its generation."""
RESPAWN = "respawn"
"""Restart mode: a new process takes over."""
RELOAD = "reload"
"""Restart mode: as in-process, for a changed configuration; `commands.restart` does not forbid it."""

# -------------------------------------------------------------- environment

LAUNCH_VARIABLE = "XOPC_LAUNCH"
"""`Launch` as JSON, from the CLI to the supervisor and on to each child."""
INHERITANCE_VARIABLE = "XOPC_INHERITANCE"
"""`Inheritance` as JSON, from the supervisor to one child."""
MARKER_VARIABLE = "XOPC_SERVICE_MARKER"
"""Names the service manager that owns the supervisor: `systemd`, `launchd` or `schtasks`."""
NO_RESPAWN_VARIABLE = "XOPC_NO_RESPAWN"
"""Truthy: no new process is ever started."""

MAX_INSTALLATION_CHARS = 16 * 1024

JsonObject: TypeAlias = "dict[str, Any]"


class Address(NamedTuple):
    """A place to listen at.

    One that is not `required` is left out where the host lacks it, such as `::1`, or where somebody else listens.
    """

    host: str
    port: int
    """0 asks the kernel for a free port."""
    required: bool = True


class Launch(NamedTuple):
    """One start of the gateway, as the CLI resolved it: all that the supervisor has to know."""

    config_path: str
    state_dir: str
    lock_path: str
    intent_path: str
    log_dir: str
    listen: tuple[Address, ...]
    command: tuple[str, ...]
    """Argument vector of the child."""
    explain_port: tuple[str, ...]
    """Argument vector that, followed by a port, prints who listens there."""
    version_file: str
    """File that holds `__version__ = "…"`; read again before each restart."""
    ready_text: str
    """Printed once, when the first child is ready; `{port}` stands for the port."""
    flags: JsonObject
    """Command-line settings, which outrank a reloaded file: `port`, `bind`, `token`, `generated`, and of the
    others those that were given."""

    def to_json(self) -> str:
        return json.dumps(self._asdict(), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Launch:
        values = cast("JsonObject", json.loads(text))
        values["listen"] = tuple(Address(*address) for address in values["listen"])
        values["command"] = tuple(values["command"])
        values["explain_port"] = tuple(values["explain_port"])
        # What a newer version added means nothing to this one.
        return cls(**{name: values[name] for name in cls._fields})


class Installation(NamedTuple):
    """What an environment that xopc is installed in says of itself, in the file `NAME` at its top."""

    current: str
    """Link to the environment that is in use: this one, or another one that has taken its place."""
    version_file: str
    """As in `Launch`, from the top of this environment."""
    origin: str = ""
    """What was installed, so that the same is known again: the hash of the wheel, or its address."""

    NAME = "xopc-installation.json"

    def to_json(self) -> str:
        return json.dumps({_camel(name): value for name, value in self._asdict().items()}, indent=2) + "\n"

    @classmethod
    def read(cls, environment: str) -> Installation | None:
        """Of an environment, a directory; None where it says nothing, or nothing that can be read."""
        try:
            with open(os.path.join(environment, cls.NAME), encoding="utf-8") as file:
                values: JsonObject = json.loads(file.read(MAX_INSTALLATION_CHARS))
            found = cls(*(values.get(_camel(name), "") for name in cls._fields))
        except (OSError, ValueError, AttributeError, RecursionError):
            return None
        return found if all(type(value) is str for value in found) and found.current and found.version_file else None


class Inheritance(NamedTuple):
    """What one child gets from its supervisor. The descriptors are open in the child, and its to close."""

    line_fd: int
    lock_fd: int
    listen_fds: tuple[int, ...]
    """For `Launch.listen`, except those that are not to be had."""
    boot_id: str
    """Names this child: new for each process, kept through in-process restarts."""
    supervisor_pid: int
    heirloom_fd: int | None = None
    """Of a child that another one serves beside, until `go`: where that one's idle connections come from. Such a
    child refuses what it cannot do as told; one that starts alone makes the best of it."""
    use_accepted: bool = False
    """Serve with the copy of the last accepted configuration: the file does not validate."""
    is_spare: bool = False
    """Wait, for hours perhaps, and load the configuration at `go`; then it is a child that is alone."""

    @property
    def fds(self) -> tuple[int, ...]:
        heirloom = () if self.heirloom_fd is None else (self.heirloom_fd,)
        return (self.line_fd, self.lock_fd, *self.listen_fds, *heirloom)

    def to_json(self) -> str:
        return json.dumps(self._asdict(), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Inheritance:
        values = cast("JsonObject", json.loads(text))
        values["listen_fds"] = tuple(values["listen_fds"])
        return cls(**values)


class Go(NamedTuple):
    """Why and since when a child serves, told with `go`."""

    kind: str
    """`start`, `respawn` or `crash`."""
    reason: str
    """The same in words."""
    since: float | None = None
    """Monotonic clock, seconds: since when nobody is answered; None at the first start."""

    def to_json(self) -> str:
        return json.dumps(self._asdict(), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Go:
        return cls(**cast("JsonObject", json.loads(text)))


class LockInfo(NamedTuple):
    """The text in the lock file. It informs; the lock itself is the kernel's `flock` on the open file."""

    pid: int
    """The supervisor's."""
    start_time: int | None
    """Of `pid`, see `start_time`; tells a reused pid from the owner."""
    config_path: str
    created_at: str
    """ISO 8601, UTC."""
    child_pid: int | None = None
    child_start_time: int | None = None
    candidate_pid: int | None = None
    """Of the process that stands by beside the child, or is about to."""
    candidate_start_time: int | None = None
    boot_id: str | None = None
    """Of the child."""
    host: str | None = None
    """First address listened at."""
    port: int | None = None
    version: str | None = None
    state: str | None = None
    """What the supervisor is at, see `states.name`."""
    problem: str | None = None
    """What keeps it from being well, in words."""

    def to_json(self) -> str:
        named = {_camel(name): value for name, value in self._asdict().items() if value is not None}
        return json.dumps(named) + "\n"

    @classmethod
    def from_json(cls, text: str) -> LockInfo | None:
        """The content, or None where the text is not one (another program's file).

        It is one line; what follows may be left from a longer text, caught while it was rewritten in place.
        """
        try:
            values: JsonObject = json.loads(text.partition("\n")[0])
            known: JsonObject = {name: values[_camel(name)] for name in cls._fields if _camel(name) in values}
            defaults: JsonObject = {"start_time": None, "created_at": ""}
            info = cls(**(defaults | known))
        except (ValueError, TypeError, RecursionError):
            return None
        return info if type(info.pid) is int and info.pid > 0 else None

    def family(self) -> list[tuple[int, int]]:
        """Pid and start time of the supervisor's processes."""
        pairs = ((self.child_pid, self.child_start_time), (self.candidate_pid, self.candidate_start_time))
        return [(pid, started) for pid, started in pairs if pid is not None and started is not None]

    def is_alive(self) -> bool:
        """Whether the recorded supervisor lives: its pid exists, and is not reused."""
        return is_alive(self.pid, self.start_time)


class RestartIntent(NamedTuple):
    """A restart that somebody asked for, left as a file beside the signal that announces it."""

    pid: int
    """The supervisor that it is for."""
    boot_id: str | None
    """The child that it is for; None where the writer could not tell."""
    mode: str
    """`in-process` or `respawn`."""
    reason: str
    created_at: int
    """Milliseconds since the epoch."""

    KIND = "gateway-restart"
    MAX_BYTES = 1024
    TTL_MS = 60_000
    MAX_REASON_CHARS = 200

    def to_json(self) -> str:
        named = {_camel(name): value for name, value in self._asdict().items()}
        return json.dumps({"kind": self.KIND, **named}) + "\n"

    @classmethod
    def from_json(cls, text: str) -> RestartIntent | None:
        """The intent, or None where the text is not a well-formed one."""
        try:
            values: JsonObject = json.loads(text)
            intent = cls(*(values[_camel(name)] for name in cls._fields))
            well_formed = (
                values["kind"] == cls.KIND
                and type(values["pid"]) is int
                and type(values["createdAt"]) is int
                and isinstance(values["bootId"], str | None)
                and intent.mode in (IN_PROCESS, RESPAWN)
                and isinstance(values["reason"], str)
            )
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        if not well_formed:
            return None
        # A lone surrogate, as a terminal of another encoding makes one, cannot be said to the child.
        return intent._replace(reason=intent.reason.encode("utf-8", "replace").decode())

    def is_for(self, pid: int, boot_id: str | None) -> bool:
        return self.pid == pid and self.boot_id in (None, boot_id)

    def is_fresh(self, now_ms: int) -> bool:
        return 0 <= now_ms - self.created_at <= self.TTL_MS


def lock_path(state_dir: str, config_path: str) -> str:
    """`<state dir>/locks/gateway.<hash>.lock`."""
    return os.path.join(state_dir, "locks", f"gateway.{config_hash(config_path)}.lock")


def config_hash(config_path: str) -> str:
    """Eight hex digits that name a configuration: of its absolute path with links resolved."""
    return hashlib.sha256(os.fsencode(os.path.realpath(config_path))).hexdigest()[:8]


def start_time(pid: int) -> int | None:
    """Clock ticks from the boot of the machine to the start of `pid` (field 22 of proc(5) stat).

    None where there is no such process, or no /proc.
    """
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def is_alive(pid: int, started: int | None) -> bool:
    """Whether process `pid` runs (a zombie does not) and, if `started` is known, is still the one that started then."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    fields = _stat(pid)
    if fields is None:
        return True
    return fields[0] != "Z" and started in (None, int(fields[19]))


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the third on: state, ppid, ..."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            text = stat.read()
    except OSError:
        return None
    # The second field is the program's name in parentheses and may hold anything, so count from its end.
    return text.rpartition(b")")[2].decode("ascii", "replace").split()


def is_on(value: str | None) -> bool:
    """How a switch in the environment reads that is off unless it is turned on."""
    return (value or "").strip().lower() in {"1", "true", "yes", "on"}


def is_off(value: str | None) -> bool:
    """How a switch in the environment reads that is on unless it is turned off."""
    return (value or "").strip().lower() in {"0", "false", "no", "off"}


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)
