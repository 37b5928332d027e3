"""What starts a process: the CLI's word to the supervisor, and the supervisor's to each child."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, TypeAlias, cast

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
