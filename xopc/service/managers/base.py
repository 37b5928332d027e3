"""What a service is to the operating system: what it runs, how it is, and the verbs that every service manager has."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

SECRETS_FILE_VARIABLE = "XOPC_SERVICE_SECRETS"
"""In a service's environment: the file with its secrets, which the gateway reads at its start."""
VERSION_VARIABLE = "XOPC_SERVICE_VERSION"
"""In a service's environment: the version of xopc that wrote the definition."""

PORT_VARIABLE = "XOPC_SERVICE_PORT"
"""In a service's environment: the port that was asked for with `--port`, where that is not the configuration's."""


@frozen
class Definition:
    """What a service manager is to run: the same for each of them."""

    label: str
    """What the manager calls it, see `label_of`."""
    description: str
    arguments: tuple[str, ...]
    """The program, absolute, and its arguments. Nothing secret: every process may read them."""
    working_directory: Path
    environment: Mapping[str, str]
    """Nothing secret either."""
    secrets: Mapping[str, str] = field(repr=False)
    """Variables that stand in `secrets_path` alone."""
    secrets_path: Path
    """A file of mode 0600, in the form of `.env`."""
    log_dir: Path


@frozen
class Installed:
    """A service as its definition on this machine has it, whoever wrote or changed that."""

    source_path: Path
    arguments: tuple[str, ...]
    working_directory: Path | None
    environment: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    """What stands in its file of secrets; empty where there is none or it cannot be read."""
    settings: Mapping[str, str] = field(factory=dict[str, str])
    """How the manager runs it, in its own words: `Restart` is `always`, `KeepAlive.SuccessfulExit` is `false`."""
    text: str = field(default="", repr=False)
    """The definition."""


class RuntimeStatus(Enum):
    """Whether a service runs, as its manager says."""

    RUNNING = "running"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


@frozen
class Runtime:
    """How a service is, as its manager says."""

    status: RuntimeStatus
    pid: int | None = None
    last_exit_status: int | None = None
    state: str = ""
    """The same in the manager's own words."""


class ServiceManagerError(Exception):
    """The service manager did not do what it was asked. The text says what it was asked and what it answered."""


class ServiceManager(Protocol):
    """One service of one manager. Its methods run the manager's own tools and wait for them: 30 s at most, and 5 s
    where they only look.

    Every one raises `ServiceManagerError` where the manager refuses or does not answer, and OSError where files
    cannot be written; `is_available`, `is_loaded`, `runtime` and `read` take both for an answer of their own.
    """

    @property
    def marker(self) -> str:
        """`systemd`, `launchd` or `schtasks`, see `xopc_supervisor.contract.MARKER_VARIABLE`."""
        ...

    @property
    def platform(self) -> str:
        """For people: `Linux (systemd)`."""
        ...

    @property
    def label(self) -> str:
        """What the manager calls the service."""
        ...

    @property
    def source_path(self) -> Path:
        """Where its definition stands, or would."""
        ...

    def is_available(self) -> bool:
        """Whether the manager answers on this machine, in this login."""
        ...

    def is_loaded(self) -> bool:
        """Whether the manager starts the service at the next login or boot."""
        ...

    def loaded_text(self) -> str:
        """The same for people: `systemd (enabled)`."""
        ...

    def runtime(self) -> Runtime:
        """How it is now."""
        ...

    def read(self) -> Installed | None:
        """Its definition; None where there is none that can be read."""
        ...

    def install(self, definition: Definition, *, keep_off: bool = False) -> list[str]:
        """Write the definition and have the manager load it. What deserves a warning, in sentences.

        Whoever is running goes on as it is, until `start` or `restart`. With `keep_off`, one that was stopped or put
        off stays so.
        """
        ...

    def start(self) -> None:
        """Have it run, with the definition on disk; enabled, if `disable` was called."""
        ...

    def stop(self) -> None:
        """Have it stop. It comes back at the next login or boot."""
        ...

    def disable(self) -> None:
        """Have it stop, and stay down until `start` or `install`."""
        ...

    def restart(self) -> None:
        """Replace what runs by a new start of the definition on disk."""
        ...

    def uninstall(self) -> None:
        """Stop it, and remove all of it: the definition and the file of secrets."""
        ...


def label_of(marker: str, profile: str) -> str:
    """What a manager calls the gateway of a profile: `default` or empty is the first one.

    >>> label_of("launchd", "rescue")
    'ai.xopc.gateway.rescue'
    """
    base, separator = ("ai.xopc.gateway", ".") if marker == "launchd" else ("xopc-gateway", "-")
    return base if profile.lower() in {"", "default"} else f"{base}{separator}{profile}"
