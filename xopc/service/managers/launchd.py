"""launchd: an agent of a user who is logged in at a Mac.

A job that launchd has loaded is the definition as it was then: `kickstart` runs that one, whatever the file says now.
So a definition that differs is loaded anew, which has two steps, and between them launchd needs a while: `bootout`
comes back at once, and `bootstrap` is refused until the job is gone (with exit code 5 or 37, which also mean that a
job is there already).
"""

from __future__ import annotations

import os
import plistlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias, cast
from xml.parsers.expat import ExpatError

from attrs import frozen

from xopc.config.regular import read_regular
from xopc.config.write import write_private
from xopc.service.managers.base import Definition, Installed, Runtime, RuntimeStatus, ServiceManagerError, label_of
from xopc.service.managers.launch_print import PrintedJob, parse_print
from xopc.service.managers.one_line import check_texts
from xopc.service.managers.secrets_file import write_secrets
from xopc.service.managers.secrets_of import remove_secrets, secrets_of
from xopc.service.managers.template import read_template
from xopc.service.managers.tools import LOOK_SECONDS, Ran, run_tool
from xopc.service.poll import attempts

MARKER = "launchd"
TEMPLATE = "ai.xopc.gateway.plist"
STOP_SECONDS = 25.0
"""Longer than `ExitTimeOut`, after which launchd kills."""
LOAD_SECONDS = 6.0
"""How long launchd may take to have forgotten a job."""
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.05, 0.5
NO_PROCESS, EIO, ALREADY, UNKNOWN_JOB, NO_DOMAIN = 3, 5, 37, 113, 125
"""Exit codes of launchctl: errno(2), and launchd's own."""
_OWN_KEYS = ("Label", "ProgramArguments", "WorkingDirectory", "EnvironmentVariables")

Job: TypeAlias = "dict[str, object]"


@frozen
class Launchd:
    """The agent of one profile."""

    label: str
    agents: Path
    """The directory that its plist stands in."""
    environ: Mapping[str, str]
    """For the tools."""
    uid: int
    marker: str = MARKER

    @property
    def platform(self) -> str:
        return "macOS (launchd)"

    @property
    def source_path(self) -> Path:
        return self.agents / f"{self.label}.plist"

    @property
    def domain(self) -> str:
        """What is there while the user is logged in at the screen."""
        return f"gui/{self.uid}"

    @property
    def target(self) -> str:
        """The job, for launchctl."""
        return f"{self.domain}/{self.label}"

    def is_available(self) -> bool:
        with suppress(ServiceManagerError):
            return self._look(self.domain).code == 0
        return False

    def is_loaded(self) -> bool:
        with suppress(ServiceManagerError):
            return self.source_path.is_file() and self._printed() is not None
        return False

    def loaded_text(self) -> str:
        return "LaunchAgent (loaded)" if self.is_loaded() else "LaunchAgent (not loaded)"

    def runtime(self) -> Runtime:
        try:
            job = self._printed()
        except ServiceManagerError as error:
            return Runtime(RuntimeStatus.UNKNOWN, state=str(error))
        return Runtime(RuntimeStatus.STOPPED, state="not loaded") if job is None else job.runtime()

    def read(self) -> Installed | None:
        try:
            content = read_regular(self.source_path)
            found: object = plistlib.loads(content)
        except (OSError, ValueError, ExpatError):
            return None
        if not isinstance(found, dict):
            return None
        job = cast("Job", found)
        environment = _texts(job.get("EnvironmentVariables"))
        directory = job.get("WorkingDirectory")
        return Installed(
            source_path=self.source_path,
            arguments=tuple(_texts(job.get("ProgramArguments")).values()),
            working_directory=Path(directory) if isinstance(directory, str) else None,
            environment=environment,
            secrets=secrets_of(environment),
            settings=_settings({key: value for key, value in job.items() if key not in _OWN_KEYS}),
            text=content.decode(errors="replace"),
        )

    def install(self, definition: Definition, *, keep_off: bool = False) -> list[str]:
        content = render(definition)
        before = read_regular(self.source_path) if self.source_path.exists() else None
        definition.log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secrets(definition.secrets_path, definition.secrets)
        try:
            write_private(self.source_path, content)
            # What is loaded, runs (`RunAtLoad`). The next start, or login, reads the plist.
            if not keep_off or before is None:
                self._launchctl("enable", self.target).check()
                job = self._printed()
                if job is None or job.runtime().pid is None:
                    self._load_anew()
        except BaseException:
            # Half an installation would be neither the old one nor the new one.
            with suppress(OSError):
                if before is None:
                    self.source_path.unlink(missing_ok=True)
                    definition.secrets_path.unlink(missing_ok=True)
                else:
                    write_private(self.source_path, before)
            raise
        return []

    def start(self) -> None:
        self._launchctl("enable", self.target).check()
        if not self._has_definition_on_disk():
            self._load_anew()
        self._launchctl("kickstart", self.target).check()

    def stop(self) -> None:
        # What ends with exit code 0, as a gateway that is told to does, is left alone by `KeepAlive`.
        if not self._is_done(self._launchctl("kill", "SIGTERM", self.target)):
            self._wait_for_end()

    def disable(self) -> None:
        self._launchctl("disable", self.target).check()
        self._unload()

    def restart(self) -> None:
        if not self._has_definition_on_disk():
            self.start()
            return
        with suppress(ServiceManagerError):
            self.stop()  # in good order, for as long as that takes
        if self._launchctl("kickstart", "-k", self.target).code != 0:
            self._load_anew()
            self._launchctl("kickstart", self.target).check()

    def uninstall(self) -> None:
        installed = self.read()
        self._unload()
        self.source_path.unlink(missing_ok=True)
        if installed is not None:
            remove_secrets(installed.environment)

    # --------------------------------------------------------------- the job

    def _launchctl(self, *words: str) -> Ran:
        return run_tool("launchctl", *words, environ=self.environ)

    def _look(self, what: str) -> Ran:
        return run_tool("launchctl", "print", what, environ=self.environ, seconds=LOOK_SECONDS)

    def _printed(self) -> PrintedJob | None:
        """The job; None where launchd has none of that name.

        Raises:
            ServiceManagerError: it does not answer.
        """
        printed = self._look(self.target)
        if printed.code == UNKNOWN_JOB:
            return None
        return parse_print(printed.check().output)

    def _has_definition_on_disk(self) -> bool:
        """Whether what launchd has loaded is what stands on the disk."""
        job, installed = self._printed(), self.read()
        return job is not None and installed is not None and job.runs(installed.arguments, installed.environment)

    def _load_anew(self) -> None:
        """Have launchd forget the job, and read its plist."""
        self._unload()
        loaded = None
        for _ in attempts(LOAD_SECONDS, first=FIRST_LOOK_SECONDS, longest=LONGEST_LOOK_SECONDS):
            loaded = self._launchctl("bootstrap", self.domain, str(self.source_path))
            if loaded.code not in (EIO, ALREADY):
                break
            if self._printed() is not None:
                return
        if loaded is not None and loaded.code == NO_DOMAIN:
            cure = "log in there, not by SSH alone, and try again"
            raise ServiceManagerError(f"launchd runs agents only of a user who is logged in at the screen: {cure}")
        if loaded is not None:
            loaded.check()

    def _unload(self) -> None:
        if self._is_done(self._launchctl("bootout", self.target)):
            return
        for _ in attempts(STOP_SECONDS, first=FIRST_LOOK_SECONDS, longest=LONGEST_LOOK_SECONDS):
            if self._printed() is None:
                return
        raise ServiceManagerError(f"launchd has not unloaded {self.target} within {STOP_SECONDS:g} s: try again")

    def _wait_for_end(self) -> None:
        for _ in attempts(STOP_SECONDS, first=FIRST_LOOK_SECONDS, longest=LONGEST_LOOK_SECONDS):
            job = self._printed()
            if job is None or job.runtime().pid is None:
                return
        raise ServiceManagerError(f"{self.target} has not ended within {STOP_SECONDS:g} s: see `xopc gateway logs`")

    @staticmethod
    def _is_done(ran: Ran) -> bool:
        """Whether there was nothing to end.

        Raises:
            ServiceManagerError: it was refused.
        """
        if ran.code in (NO_PROCESS, UNKNOWN_JOB):
            return True
        # 36: it is being done already.
        if ran.code != 36:
            ran.check()
        return False


def of_profile(environ: Mapping[str, str], profile: str) -> Launchd:
    """The agent of a profile."""
    agents = Path(environ.get("HOME") or Path.home()) / "Library" / "LaunchAgents"
    return Launchd(label_of(MARKER, profile), agents, environ, os.getuid())


def render(definition: Definition) -> bytes:
    """The plist.

    Raises:
        ServiceManagerError: something in it cannot stand there.
    """
    check_texts(definition)
    job: Job = {
        "Label": definition.label,
        "Comment": definition.description,
        "ProgramArguments": list(definition.arguments),
        "WorkingDirectory": str(definition.working_directory),
        "EnvironmentVariables": dict(sorted(definition.environment.items())),
        "StandardOutPath": str(definition.log_dir / "gateway.log"),
        "StandardErrorPath": str(definition.log_dir / "gateway.err.log"),
    }
    common: Job = plistlib.loads(read_template(TEMPLATE).encode())
    return plistlib.dumps(job | common, sort_keys=False)


def _texts(values: object) -> dict[str, str]:
    """The texts in a dictionary or a list of a plist, which a person may have changed to anything."""
    if isinstance(values, list):
        values = dict(enumerate(cast("list[object]", values)))
    if not isinstance(values, dict):
        return {}
    return {str(key): str(value) for key, value in cast("dict[object, object]", values).items()}


def _settings(values: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """`KeepAlive.SuccessfulExit` is `false`."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= _settings(cast("Job", value), f"{prefix}{key}.")
        else:
            found[prefix + key] = str(value).lower() if isinstance(value, bool) else str(value)
    return found
