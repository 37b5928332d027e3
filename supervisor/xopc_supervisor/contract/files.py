"""What stands in files that both sides read: the lock, a restart intent, what an environment says of itself."""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from xopc_supervisor.contract import IN_PROCESS, RESPAWN
from xopc_supervisor.contract.launch import JsonObject
from xopc_supervisor.contract.processes import is_alive

MAX_INSTALLATION_CHARS = 16 * 1024


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

    MAX_BYTES = 256 * 1024
    """More than any text has: the longest problem is a word of the child, 64 KiB, for which JSON may take three times
    as much."""

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


def lock_path(state_dir: str, config_path: str) -> str:
    """`<state dir>/locks/gateway.<hash>.lock`."""
    return os.path.join(state_dir, "locks", f"gateway.{config_hash(config_path)}.lock")


def config_hash(config_path: str) -> str:
    """Eight hex digits that name a configuration: of its absolute path with links resolved."""
    import hashlib  # noqa: PLC0415 - the supervisor is told its paths, and is 0.7 MB smaller without OpenSSL

    return hashlib.sha256(os.fsencode(os.path.realpath(config_path))).hexdigest()[:8]


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)
