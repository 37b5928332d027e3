"""Stands for the service managers of three systems: a directory of tools that record each call and keep a state.

    managers = FakeManagers(tmp_path)
    …run a command with managers.environ…
    assert managers.calls_of("systemctl") == [["--user", "daemon-reload"], …]

The tools are `systemctl`, `loginctl`, `launchctl`, `schtasks` and `reg`. A service that is started only seems to run,
with a pid that no process has; with `runs=True` its program really is started, as its definition says, and `close`
ends it. Of a unit of type notify it is awaited that it is ready.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from attrs import frozen

from tests.fakes.service_tools.state import is_alive

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("systemctl", "loginctl", "launchctl", "schtasks", "reg")


@frozen
class ToolCall:
    """One call of one tool."""

    tool: str
    argv: tuple[str, ...]
    intent: bool
    """Whether the restart intent stood there."""
    at: float
    """Seconds since the epoch."""


class FakeManagers:
    """The tools, and what the test says to them. Its state lives below `home / ".service-managers"`."""

    def __init__(
        self, home: Path, *, runs: bool = False, intent: Path | None = None, tools: tuple[str, ...] = TOOLS
    ) -> None:
        """`home` is the user's home; `intent` where his restart intent is left; `tools` those that are there at all."""
        self._directory = home / ".service-managers"
        self.bin = self._directory / "bin"
        self.bin.mkdir(parents=True)
        self._settings: dict[str, Any] = {
            "runs": runs,
            "intent": str(intent or home / ".xopc" / "gateway-restart-intent.json"),
            "failures": [],
            "system_units": str(home / "etc" / "systemd" / "system"),
        }
        self._save()
        for tool in tools:
            path = self.bin / tool
            path.write_text(
                f"#!{Path(sys.executable).resolve()} -IS\n"
                f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
                "from tests.fakes.service_tools.__main__ import main\n"
                f"main({str(self._directory)!r}, {tool!r}, *sys.argv[1:])\n"
            )
            path.chmod(0o755)
        runtime = self._directory / "run"
        runtime.mkdir(mode=0o700)
        self.environ = {
            "HOME": str(home),
            "PATH": f"{self.bin}{os.pathsep}{os.environ.get('PATH', '/usr/bin:/bin')}",
            "XDG_RUNTIME_DIR": str(runtime),
        }
        """What a command needs to meet these tools."""

    def __enter__(self) -> FakeManagers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what was really started."""
        for pid in self._state().get("_", {}).get("started", []):
            if is_alive(pid):
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)

    # ------------------------------------------------------ what was called

    @property
    def calls(self) -> list[ToolCall]:
        """Every call, in its order."""
        path = self._directory / "calls.jsonl"
        rows = path.read_text("utf-8").splitlines() if path.exists() else []
        return [ToolCall(row["tool"], tuple(row["argv"]), row["intent"], row["at"]) for row in map(json.loads, rows)]

    def calls_of(self, tool: str, *words: str) -> list[list[str]]:
        """The arguments of the calls of a tool; of those alone that have all these words."""
        argvs = [list(call.argv) for call in self.calls if call.tool == tool]
        return [argv for argv in argvs if all(word in argv for word in words)]

    def forget_calls(self) -> None:
        (self._directory / "calls.jsonl").unlink(missing_ok=True)

    # ------------------------------------------------ what the test decides

    def fail(
        self,
        tool: str,
        *words: str,
        code: int = 1,
        text: str = "",
        output: str = "",
        times: int | None = None,
        seconds: float = 0,
    ) -> None:
        """From now on (for so many times) a call that has all these words ends so, after so many seconds: with a text
        on standard error, and an output."""
        failure = {
            "tool": tool,
            "words": words,
            "code": code,
            "text": text,
            "output": output,
            "times": times,
            "seconds": seconds,
        }
        self._settings = json.loads((self._directory / "settings.json").read_text("utf-8"))
        self._settings["failures"].append(failure)
        self._save()

    def set(self, **settings: object) -> None:
        """`language="de"`: of schtasks. `headless=True`: nobody is logged in on the Mac. `uid=501`. `drain=4`: how
        often a job that was booted out is still seen. `system="offline"`: of systemd. `task_command=[…]`: what a task
        runs.
        """
        self._settings = json.loads((self._directory / "settings.json").read_text("utf-8")) | settings
        self._save()

    def adopt(self, name: str, pid: int | None, exit_status: int = 0) -> None:
        """Say that `pid` is what a service runs; None: that it ended so. `user:xopc-gateway.service`,
        `system:…`, `launchd:ai.xopc.gateway`, `task:xopc-gateway`.
        """
        state = self._state()
        state.setdefault(name, {}).update(pid=pid, imagined=False, exit=exit_status, result=exit_status)
        (self._directory / "state.json").write_text(json.dumps(state), "utf-8")

    def pid(self, name: str) -> int | None:
        """What a service runs, named as for `adopt`."""
        found: int | None = self._state().get(name, {}).get("pid")
        return found

    @property
    def lingering(self) -> list[str]:
        """Users whose services run without a login."""
        return [user for user, value in self._state().get("linger", {}).items() if value]

    def _state(self) -> dict[str, Any]:
        path = self._directory / "state.json"
        return json.loads(path.read_text("utf-8")) if path.exists() else {}

    def _save(self) -> None:
        (self._directory / "settings.json").write_text(json.dumps(self._settings), "utf-8")
