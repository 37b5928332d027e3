"""`systemctl`, of systemd 252, for units of type service."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from tests.fakes.service_tools.processes import start as start_process, stop as stop_process
from tests.fakes.service_tools.state import Json, State, end, home, pid_of

NO_BUS = (
    "Failed to connect to bus: $DBUS_SESSION_BUS_ADDRESS and $XDG_RUNTIME_DIR not defined "
    "(consider using --machine=<user>@.host --user to connect to bus of other user)"
)


def main(state: State, argv: list[str]) -> int:
    words, options, properties = _parse(argv)
    if "--version" in options:
        print("systemd 252 (252.38-1~deb12u1)\n+PAM +AUDIT +SELINUX")
        return 0
    user = "--user" in options
    if user and not {"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"} & set(os.environ):
        end(1, NO_BUS)
    verb, *units = words or ["list-units"]
    units = [unit if "." in unit else f"{unit}.service" for unit in units]
    call = Call(state, options, properties, user=user)
    return call.verbs.get(verb, lambda _: end(1, f"Unknown command verb {verb}."))(units)


class Call:
    """One call of the tool."""

    def __init__(self, state: State, options: set[str], properties: list[str], *, user: bool) -> None:
        self.verbs: dict[str, Callable[[list[str]], int]] = {
            "daemon-reload": self.reload_units,
            "enable": self.enable,
            "disable": self.disable,
            "start": self.start,
            "stop": self.stop,
            "restart": self.restart,
            "kill": self.kill,
            "reset-failed": lambda _: 0,
            "is-enabled": self.is_enabled,
            "is-active": self.is_active,
            "is-system-running": self.is_system_running,
            "show": self.show,
            "cat": self.cat,
        }
        self._state, self._options, self._properties, self._user = state, options, properties, user
        config = Path(os.environ.get("XDG_CONFIG_HOME") or home() / ".config")
        system = Path(state.settings.get("system_units", "/etc/systemd/system"))
        self._directory = config / "systemd" / "user" if user else system

    def reload_units(self, _: list[str]) -> int:
        for name in [name for name in self._state.services if name.startswith(self._prefix)]:
            self._load(name.removeprefix(self._prefix), anew=True)
        return 0

    def enable(self, units: list[str]) -> int:
        for unit in units:
            if not self._file(unit).exists():
                end(1, f"Failed to enable unit: Unit file {unit} does not exist.")
            for link in self._links(unit):
                if not link.is_symlink():
                    link.parent.mkdir(parents=True, exist_ok=True)
                    link.symlink_to(self._file(unit))
                    print(f"Created symlink {link} → {self._file(unit)}.", file=sys.stderr)
        return self.start(units) if "--now" in self._options else 0

    def disable(self, units: list[str]) -> int:
        for unit in units:
            links = [link for link in self._directory.glob(f"*.wants/{unit}") if link.is_symlink()]
            if not self._file(unit).exists() and not links:
                end(1, f"Failed to disable unit: Unit file {unit} does not exist.")
            for link in links:
                link.unlink()
                print(f'Removed "{link}".', file=sys.stderr)
        return self.stop(units) if "--now" in self._options else 0

    def start(self, units: list[str]) -> int:
        for unit in units:
            service, text = self._load(unit)
            if not text:
                end(5, f"Failed to start {unit}: Unit {unit} not found.")
            self._warn_of_change(unit, text)
            if pid_of(service) is None and not self._run(service, text):
                end(
                    1,
                    f"Job for {unit} failed because the control process exited with error code.\n"
                    f'See "systemctl --user status {unit}" and "journalctl --user -xeu {unit}" for details.',
                )
        return 0

    def stop(self, units: list[str]) -> int:
        for unit in units:
            service, text = self._load(unit)
            if not text and pid_of(service) is None:
                end(5, f"Failed to stop {unit}: Unit {unit} not loaded.")
            stop_process(service)
        return 0

    def restart(self, units: list[str]) -> int:
        for unit in units:
            service, text = self._load(unit)
            if not text:
                end(5, f"Failed to restart {unit}: Unit {unit} not found.")
            stop_process(service)
        return self.start(units)

    def kill(self, units: list[str]) -> int:
        names = [option.rpartition("=")[2] for option in self._options if option.startswith(("--signal=", "-s="))]
        number = signal.Signals["SIG" + names[0].removeprefix("SIG")] if names else signal.SIGTERM
        for unit in units:
            pid = pid_of(self._load(unit)[0])
            if pid is None:
                end(1, f"Failed to kill unit {unit}: Unit {unit} not loaded.")
            if not self._load(unit)[0].get("imagined"):
                os.kill(pid, number)
        return 0

    def is_enabled(self, units: list[str]) -> int:
        [unit] = units
        if not self._file(unit).exists():
            end(1, f"Failed to get unit file state for {unit}: No such file or directory")
        enabled = any(link.is_symlink() for link in self._directory.glob(f"*.wants/{unit}"))
        if "--quiet" not in self._options:
            print("enabled" if enabled else "disabled" if self._links(unit) else "static")
        return 0 if enabled else 1

    def is_active(self, units: list[str]) -> int:
        state = self._active(self._load(units[0])[0])
        if "--quiet" not in self._options:
            print(state)
        return 0 if state == "active" else 3

    def is_system_running(self, _: list[str]) -> int:
        state = self._state.settings.get("system", "running")
        print(state)
        return 0 if state == "running" else 1

    def show(self, units: list[str]) -> int:
        for unit in units:
            known = self._shown(unit)
            for key, value in known.items():
                if not self._properties or key in self._properties:
                    print(value if "--value" in self._options else f"{key}={value}")
        return 0

    def cat(self, units: list[str]) -> int:
        for unit in units:
            if not self._file(unit).exists():
                end(1, f"No files found for {unit}.")
            print(f"# {self._file(unit)}\n{self._file(unit).read_text('utf-8')}", end="")
        return 0

    # --------------------------------------------------------------- a unit

    @property
    def _prefix(self) -> str:
        return "user:" if self._user else "system:"

    def _file(self, unit: str) -> Path:
        return self._directory / unit

    def _load(self, unit: str, *, anew: bool = False) -> tuple[Json, str]:
        """What is noted about a unit, and its text as it was when it was loaded."""
        service = self._state.service(self._prefix + unit)
        if anew or not service.get("text"):
            file = self._file(unit)
            service["text"] = file.read_text("utf-8") if file.exists() else ""
        return service, service["text"]

    def _links(self, unit: str) -> list[Path]:
        targets = values_of(self._file(unit).read_text("utf-8"), "WantedBy")
        return [self._directory / f"{target}.wants" / unit for words in targets for target in words.split()]

    def _warn_of_change(self, unit: str, text: str) -> None:
        if not self._file(unit).exists() or self._file(unit).read_text("utf-8") != text:
            what = f"Warning: The unit file, source configuration file or drop-ins of {unit} changed on disk."
            print(f"{what} Run 'systemctl{' --user' * self._user} daemon-reload' to reload units.", file=sys.stderr)

    def _run(self, service: Json, text: str) -> bool:
        environ = {"HOME": str(home()), "PATH": "/usr/bin:/bin", "SYSTEMD_EXEC_PID": ""}
        for line in values_of(text, "Environment"):
            environ |= dict(word.split("=", 1) for word in split(line))
        for path in values_of(text, "EnvironmentFile"):
            file = Path(path.removeprefix("-"))
            rows = file.read_text("utf-8").splitlines() if file.exists() else []
            environ |= dict(shlex.split(row)[0].split("=", 1) for row in rows if "=" in row and row[0] != "#")
        [command] = values_of(text, "ExecStart")
        [directory] = values_of(text, "WorkingDirectory") or [None]
        return start_process(
            self._state,
            service,
            [word.replace("$$", "$") for word in split(command)],
            environ,
            directory and directory.replace("%%", "%"),
            waits_for_ready="notify" in values_of(text, "Type"),
        )

    def _active(self, service: Json) -> str:
        if pid_of(service) is not None:
            return "active"
        return "failed" if service.get("exit") else "inactive"

    def _shown(self, unit: str) -> Json:
        service, text = self._load(unit)
        active = self._active(service)
        last = {key: (values_of(text, key) or [""])[-1] for key in ("Type", "Restart", "Description")}
        changed = bool(text) and self._file(unit).exists() and self._file(unit).read_text("utf-8") != text
        enabled = any(link.is_symlink() for link in self._directory.glob(f"*.wants/{unit}"))
        return {
            "Type": last["Type"] or "simple",
            "Restart": last["Restart"] or "no",
            "MainPID": pid_of(service) or 0,
            "NRestarts": 0,
            "Result": "exit-code" if active == "failed" else "success",
            "ExecMainCode": 0 if active == "active" else 1,
            "ExecMainStatus": service.get("exit", 0),
            "Id": unit,
            "Description": last["Description"] or unit,
            "LoadState": "loaded" if text else "not-found",
            "ActiveState": active,
            "SubState": {"active": "running", "failed": "failed"}.get(active, "dead"),
            "FragmentPath": str(self._file(unit)) if text else "",
            "UnitFileState": ("enabled" if enabled else "disabled") if text else "",
            "NeedDaemonReload": "yes" if changed else "no",
        }


def values_of(text: str, key: str) -> list[str]:
    """What a key is set to, in the order of its lines."""
    lines = text.replace("\\\n", " ")
    return [value.strip() for value in re.findall(rf"(?m)^{key}=(.*)$", lines)]


def split(line: str) -> list[str]:
    """The words of a line as systemd.syntax(7) quotes them, its specifier `%%` undone."""
    words = shlex.shlex(line, posix=True, punctuation_chars=False)
    words.whitespace_split, words.commenters = True, ""
    words.escapedquotes = "\"'"
    return [word.replace("%%", "%") for word in words]


def _parse(argv: list[str]) -> tuple[list[str], set[str], list[str]]:
    """Words, options, and the properties that are asked for."""
    words: list[str] = []
    options: set[str] = set()
    properties: list[str] = []
    rest = iter(argv)
    for word in rest:
        if word in {"-p", "--property"}:
            properties += next(rest).split(",")
        elif word.startswith(("--property=", "-p")):
            properties += word.removeprefix("--property=").removeprefix("-p").split(",")
        elif word in {"-s", "--signal"}:
            options.add(f"--signal={next(rest)}")
        elif word.startswith("-"):
            options.add({"-q": "--quiet", "--now": "--now"}.get(word, word))
        else:
            words.append(word)
    return words, options, properties
