"""`launchctl`, of macOS 14, for the agents of one user who is logged in."""

from __future__ import annotations

import os
import plistlib
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from tests.fakes.service_tools.processes import start as start_process, stop as stop_process
from tests.fakes.service_tools.state import Json, State, end, home, pid_of

RICHER = "Try re-running the command as root for richer errors."
EIO, ESRCH, EALREADY, NOT_FOUND, NO_DOMAIN = 5, 3, 37, 113, 125
DEFAULT_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"


def main(state: State, argv: list[str]) -> int:
    verb, *rest = argv or ["help"]
    call = Call(state)
    verbs = {
        "version": call.version,
        "managername": call.managername,
        "bootstrap": call.bootstrap,
        "bootout": call.bootout,
        "enable": call.enable,
        "disable": call.disable,
        "kickstart": call.kickstart,
        "kill": call.kill,
        "print": call.print,
        "print-disabled": call.print_disabled,
    }
    if verb not in verbs:
        end(64, f"Unrecognized subcommand: {verb}\nUsage: launchctl <subcommand> ... | help [subcommand]")
    return verbs[verb](rest)


class Call:
    """One call of the tool."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._domain = f"gui/{state.settings.get('uid', os.getuid())}"

    def version(self, _: list[str]) -> int:
        print("Darwin Bootstrapper Version 7.0.0: Wed Oct  9 00:00:00 PDT 2024; root:libxpc_executables-2862")
        return 0

    def managername(self, _: list[str]) -> int:
        print("Background" if self._state.settings.get("headless") else "Aqua")
        return 0

    def bootstrap(self, rest: list[str]) -> int:
        domain, path = rest
        if self._state.settings.get("headless") or domain != self._domain:
            end(NO_DOMAIN, "Bootstrap failed: 125: Domain does not support specified action")
        try:
            job = plistlib.loads(Path(path).read_bytes())
        except (OSError, ValueError, ExpatError):
            end(EIO, f"Bootstrap failed: {EIO}: Input/output error\n{RICHER}")
        service = self._state.service(f"launchd:{job['Label']}")
        if service.get("disabled"):
            end(EIO, f"Bootstrap failed: {EIO}: Input/output error\n{RICHER}")
        if service.get("job") and not service.get("leaving"):
            end(EALREADY, f"Bootstrap failed: {EALREADY}: Operation already in progress")
        if service.get("leaving"):
            self._look(service)
            end(EIO, f"Bootstrap failed: {EIO}: Input/output error\n{RICHER}")
        service.update(job=job, path=path, never_exited=True)
        if job.get("RunAtLoad"):
            self._run(service)
        return 0

    def bootout(self, rest: list[str]) -> int:
        service = self._found(rest[0], f"Boot-out failed: {ESRCH}: No such process", ESRCH)
        stop_process(service)
        service.update(leaving=self._state.settings.get("drain", 2), never_exited=False)
        if not service["leaving"]:
            service.update(job=None)
        return 0

    def enable(self, rest: list[str]) -> int:
        self._state.service(f"launchd:{self._label(rest[0])}")["disabled"] = False
        return 0

    def disable(self, rest: list[str]) -> int:
        self._state.service(f"launchd:{self._label(rest[0])}")["disabled"] = True
        return 0

    def kickstart(self, rest: list[str]) -> int:
        target = rest[-1]
        service = self._found(target, self._unknown(target), NOT_FOUND)
        if service.get("leaving"):
            end(NOT_FOUND, self._unknown(target))
        if "-k" in rest:
            stop_process(service)
        if pid_of(service) is None:
            self._run(service)
        if "-p" in rest:
            print(f"service spawned with pid: {service['pid']}")
        return 0

    def kill(self, rest: list[str]) -> int:
        name, target = rest
        service = self._found(target, self._unknown(target), NOT_FOUND)
        pid = pid_of(service)
        if pid is None:
            end(ESRCH, "No such process")
        number = int(name) if name.isdigit() else signal.Signals["SIG" + name.removeprefix("SIG")]
        if service.get("imagined"):
            service.update(pid=None, exit=0, never_exited=False)
        else:
            os.kill(pid, number)  # it does not wait
        return 0

    def print(self, rest: list[str]) -> int:
        target = rest[0]
        if target == self._domain and self._state.settings.get("headless"):
            end(NO_DOMAIN, f"Bad request.\nCould not find domain for: {target}")
        if target == self._domain:
            print(f"{self._domain} = {{\n\ttype = login\n}}")
            return 0
        service = self._found(target, self._unknown(target), NOT_FOUND)
        state = "SIGTERMed" if service.get("leaving") else None
        print(_describe(target, service, state))
        self._look(service)
        return 0

    def print_disabled(self, _: list[str]) -> int:
        names = {
            name.removeprefix("launchd:"): note for name, note in self._state.services.items() if "disabled" in note
        }
        rows = [f'\t\t"{name}" => {"disabled" if note["disabled"] else "enabled"}' for name, note in names.items()]
        print("\tdisabled services = {\n" + "\n".join(rows) + "\n\t}")
        return 0

    # ---------------------------------------------------------------- a job

    def _label(self, target: str) -> str:
        domain, _, label = target.rpartition("/")
        if domain != self._domain or not label:
            end(NO_DOMAIN, f"Could not find domain for: {target}")
        return label

    def _unknown(self, target: str) -> str:
        uid = self._domain.partition("/")[2]
        return f'Bad request.\nCould not find service "{self._label(target)}" in domain for user gui: {uid}'

    def _found(self, target: str, otherwise: str, code: int) -> Json:
        service = self._state.services.get(f"launchd:{self._label(target)}")
        if not service or not service.get("job"):
            end(code, otherwise)
        return service

    def _look(self, service: Json) -> None:
        """A job that was booted out is there for a few more looks."""
        if service.get("leaving"):
            service["leaving"] -= 1
            if not service["leaving"]:
                service["job"] = None

    def _run(self, service: Json) -> None:
        job = service["job"]
        environ = {"HOME": str(home()), "PATH": DEFAULT_PATH, "XPC_SERVICE_NAME": job["Label"], **_strings(job)}
        start_process(
            self._state,
            service,
            job["ProgramArguments"],
            environ,
            job.get("WorkingDirectory"),
            output=Path(job.get("StandardOutPath", "/dev/null")),
        )


def _strings(job: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in job.get("EnvironmentVariables", {}).items()}


def _describe(target: str, service: Json, state: str | None) -> str:
    """The lines of `launchctl print`, those that a caller may look at and some that mislead him."""
    job, pid = service["job"], pid_of(service)
    arguments = "\n".join(f"\t\t{word}" for word in job["ProgramArguments"])
    variables = {**_strings(job), "XPC_SERVICE_NAME": job["Label"]}
    environ = "\n".join(f"\t\t{key} => {value}" for key, value in variables.items())
    lines = [
        f"{target} = {{",
        f"\tactive count = {1 if pid else 0}",
        f"\tpath = {service['path']}",
        "\ttype = LaunchAgent",
        f"\tstate = {state or ('running' if pid else 'not running')}",
        "",
        f"\tprogram = {job['ProgramArguments'][0]}",
        f"\targuments = {{\n{arguments}\n\t}}",
        "",
        f"\tworking directory = {job.get('WorkingDirectory', '/')}",
        "",
        f"\tstdout path = {job.get('StandardOutPath', '/dev/null')}",
        f"\tdefault environment = {{\n\t\tPATH => {DEFAULT_PATH}\n\t}}",
        "",
        f"\tenvironment = {{\n{environ}\n\t}}",
        "",
        f"\tminimum runtime = {job.get('ThrottleInterval', 10)}",
        f"\texit timeout = {job.get('ExitTimeOut', 5)}",
        "\truns = 1",
        *([f"\tpid = {pid}"] if pid else []),
        f"\tlast exit code = {_exit(service)}",
        "\tproperties = keepalive | runatload | inferred program",
        "}",
    ]
    return "\n".join(lines)


def _exit(service: Json) -> str:
    if service.get("never_exited", True) and "exit" not in service:
        return "(never exited)"
    return {78: "78: EX_CONFIG"}.get(service.get("exit", 0), str(service.get("exit", 0)))
