"""systemd: a user's unit, or one of the whole machine that runs as a user.

What is asked of `systemctl` is what a person would ask; what only looks, looks at files first, so that a command on a
machine without a service does not wait for anybody.
"""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from xopc.config.regular import read_regular
from xopc.config.write import write_private
from xopc.service.managers.base import Definition, Installed, Runtime, RuntimeStatus, ServiceManagerError, label_of
from xopc.service.managers.escape import (
    assignment,
    assignments,
    command_line,
    command_words,
    directory,
    plain,
    specified,
)
from xopc.service.managers.secrets_file import write_secrets
from xopc.service.managers.secrets_of import remove_secrets, secrets_of
from xopc.service.managers.template import read_template
from xopc.service.managers.tools import LOOK_SECONDS, Ran, run_tool
from xopc.service.managers.unit_file import read_unit

MARKER = "systemd"
TEMPLATE = "xopc-gateway.service"
SYSTEM_UNITS = Path("/etc/systemd/system")
LINGERING = Path("/var/lib/systemd/linger")
START_SECONDS = 30.0
_UNIT_MODE = 0o644
_STATES = {
    "active": RuntimeStatus.RUNNING,
    "reloading": RuntimeStatus.RUNNING,
    "inactive": RuntimeStatus.STOPPED,
    "failed": RuntimeStatus.STOPPED,
}
_SYSTEM_NEEDS = "After=network-online.target\nWants=network-online.target\n"
"""A user's manager knows no such target, and does not need one: the gateway waits for what it lacks."""
_LIST_KEYS = frozenset({"Environment", "ExecStart"})


@frozen
class Systemd:
    """The unit of one profile."""

    label: str
    units: Path
    """The directory that the unit stands in."""
    environ: Mapping[str, str]
    """For the tools: where they find the manager."""
    account: str | None = None
    """Who a unit of the whole machine runs as; None for a unit of the user's own."""
    marker: str = MARKER

    @property
    def platform(self) -> str:
        return "Linux (systemd)" if self.account is None else "Linux (systemd, system)"

    @property
    def unit(self) -> str:
        """Its name in full."""
        return f"{self.label}.service"

    @property
    def source_path(self) -> Path:
        return self.units / self.unit

    def is_available(self) -> bool:
        with suppress(ServiceManagerError):
            return self._systemctl("show", "--property=Version", "--value", seconds=LOOK_SECONDS).code == 0
        return False

    def is_loaded(self) -> bool:
        return self._is_enabled() is True

    def loaded_text(self) -> str:
        if not self.source_path.is_file():
            return "systemd (not installed)"
        is_enabled = self._is_enabled()
        return f"systemd ({'does not tell' if is_enabled is None else 'enabled' if is_enabled else 'disabled'})"

    def runtime(self) -> Runtime:
        if not self.source_path.is_file():
            return Runtime(RuntimeStatus.STOPPED)
        try:
            properties = "--property=ActiveState,SubState,Result,MainPID,ExecMainStatus"
            shown = self._systemctl("show", self.unit, properties, seconds=LOOK_SECONDS)
        except ServiceManagerError as error:
            return Runtime(RuntimeStatus.UNKNOWN, state=str(error))
        if shown.code != 0:
            return Runtime(RuntimeStatus.UNKNOWN, state=shown.errors)
        return parse_runtime(shown.output)

    def read(self) -> Installed | None:
        unit = read_unit(self.source_path)
        if unit is None:
            return None
        home = self.environ.get("HOME", "")
        environment: dict[str, str] = {}
        for value in unit.values.get("Environment", ()):
            environment |= assignments(value, home)
        working_directory = specified(unit.last("WorkingDirectory"), home)
        settings = {key: unit.last(key) for key in unit.values if key not in _LIST_KEYS and unit.last(key)}
        return Installed(
            source_path=self.source_path,
            arguments=command_words(unit.last("ExecStart"), home),
            working_directory=Path(working_directory) if working_directory else None,
            environment=environment,
            secrets=secrets_of(environment),
            settings=settings,
            text=unit.text,
        )

    def install(self, definition: Definition, *, keep_off: bool = False) -> list[str]:
        is_on = not keep_off or not self.source_path.exists() or self.is_loaded()
        text = render(definition, self.account)
        before = read_regular(self.source_path) if self.source_path.exists() else None
        write_secrets(definition.secrets_path, definition.secrets)
        if self.account is not None:
            _give_to(self.account, definition.secrets_path)
        try:
            self._write(text.encode())
            self._systemctl("daemon-reload").check()
            self._check_seen()
            if is_on:
                self._systemctl("enable", self.unit).check()
        except BaseException:
            # Half an installation would be neither the old one nor the new one.
            with suppress(OSError, ServiceManagerError):
                if before is None:
                    self.source_path.unlink(missing_ok=True)
                    definition.secrets_path.unlink(missing_ok=True)
                else:
                    self._write(before)
                self._systemctl("daemon-reload")
            raise
        return self._linger() if self.account is None and is_on else []

    def start(self) -> None:
        if not self.is_loaded():
            self._systemctl("enable", self.unit).check()
        self._systemctl("restart", self.unit, seconds=START_SECONDS).check()

    def stop(self) -> None:
        self._systemctl("stop", self.unit).check()

    def disable(self) -> None:
        self._systemctl("stop", self.unit).check()
        self._systemctl("disable", self.unit).check()

    def restart(self) -> None:
        self._systemctl("restart", self.unit, seconds=START_SECONDS).check()

    def uninstall(self) -> None:
        installed = self.read()
        if installed is not None:
            self.disable()
            self.source_path.unlink(missing_ok=True)
            remove_secrets(installed.environment)
        self._systemctl("daemon-reload").check()
        self._systemctl("reset-failed", self.unit)  # what it does not know has not failed

    def _is_enabled(self) -> bool | None:
        """None where systemd does not tell."""
        if not self.source_path.is_file():
            return False
        try:
            told = self._systemctl("is-enabled", self.unit, seconds=LOOK_SECONDS)
        except ServiceManagerError:
            return None
        return True if told.code == 0 else False if told.output else None

    # ------------------------------------------------------------------ tools

    def _systemctl(self, *words: str, seconds: float | None = None) -> Ran:
        command = ("systemctl", *(("--user",) if self.account is None else ()), "--no-pager", *words)
        if seconds is None:
            return run_tool(*command, environ=self.environ)
        return run_tool(*command, environ=self.environ, seconds=seconds)

    def _write(self, content: bytes) -> None:
        write_private(self.source_path, content)
        self.source_path.chmod(_UNIT_MODE)

    def _check_seen(self) -> None:
        """See that the manager reads the file that was written, and not another one of that name.

        Raises:
            ServiceManagerError: it does not.
        """
        shown = self._systemctl("show", self.unit, "--property=FragmentPath", "--value").check().output
        if os.path.realpath(shown) != os.path.realpath(self.source_path):
            what = f"systemd reads {shown or 'no file'} and not {self.source_path}"
            cure = "it may have another XDG_CONFIG_HOME than this shell: unset it here, or set it for both"
            raise ServiceManagerError(f"{what}: {cure}")

    def _linger(self) -> list[str]:
        """Have the service run while its user is not logged in. What deserves a warning."""
        user = own_name()
        if (LINGERING / user).exists():
            return []
        try:
            run_tool("loginctl", "enable-linger", user, environ=self.environ).check()
        except ServiceManagerError as error:
            cure = f"sudo loginctl enable-linger {shlex.quote(user)}"
            return [f"It stops when you log out, and starts when you log in ({error}). To have it run always: {cure}"]
        return []


def of_profile(environ: Mapping[str, str], profile: str, *, system: bool) -> Systemd:
    """The unit of a profile; `system`: the machine's, instead of the user's."""
    label = label_of(MARKER, profile)
    if system:
        return Systemd(label, SYSTEM_UNITS, environ, account_of(environ))
    return Systemd(label, user_units(environ), _with_bus(environ))


def account_of(environ: Mapping[str, str]) -> str:
    """Who a unit of the machine runs as: who called `sudo`, else who installs it."""
    caller = environ.get("SUDO_USER", "") if os.getuid() == 0 else ""
    return caller or own_name()


def own_name() -> str:
    """What the user database calls this user, whatever the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def user_units(environ: Mapping[str, str]) -> Path:
    """Where the units of a user stand."""
    named = environ.get("XDG_CONFIG_HOME", "")
    # Like other programs, systemd takes no notice of one that is relative.
    config = Path(named) if named.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".config"
    return config / "systemd" / "user"


def render(definition: Definition, account: str | None) -> str:
    """The text of the unit; `account` is the user that a unit of the machine runs as, None for a user's own unit.

    Raises:
        ServiceManagerError: something in it cannot stand in a unit.
    """
    environment = [f"Environment={assignment(*pair)}" for pair in sorted(definition.environment.items())]
    return read_template(TEMPLATE).format(
        name=f"{definition.label}.service",
        user="" if account else " --user",
        description=plain(definition.description, "the description"),
        after=_SYSTEM_NEEDS if account else "",
        command=command_line(definition.arguments),
        directory=directory(str(definition.working_directory), "the directory of the configuration"),
        account=f"User={plain(account, 'the user')}\n" if account else "",
        environment="\n".join(environment),
        target="multi-user.target" if account else "default.target",
    )


def parse_runtime(shown: str) -> Runtime:
    """What `systemctl show` says of a unit."""
    values = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    active, result = values.get("ActiveState", ""), values.get("Result", "")
    parts = [f"{active} ({values.get('SubState', '')})", *([result] if result not in ("", "success") else [])]
    return Runtime(
        status=_STATES.get(active, RuntimeStatus.UNKNOWN),
        pid=_number(values.get("MainPID")) or None,
        last_exit_status=_number(values.get("ExecMainStatus")),
        state=", ".join(parts),
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _with_bus(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with the user's runtime directory, which a login through `su` or a job of cron lacks."""
    runtime = Path(f"/run/user/{os.getuid()}")
    if environ.get("XDG_RUNTIME_DIR") or not (runtime / "systemd").is_dir():
        return environ
    return {**environ, "XDG_RUNTIME_DIR": str(runtime)}


def _give_to(account: str, path: Path) -> None:
    """Let the user of the service read its secrets, which root has written."""
    if os.getuid() == 0:
        entry = pwd.getpwnam(account)
        for one in (path.parent, path):
            os.chown(one, entry.pw_uid, entry.pw_gid)
