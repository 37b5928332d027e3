"""What the tools keep between two calls, and how a call is told, held up and refused."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

Json: TypeAlias = "dict[str, Any]"


class State:
    """The directory of one `FakeManagers`: `calls.jsonl`, `state.json` and `settings.json`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.services: Json = {}
        """By name: whatever the tool notes about it."""
        self.settings: Json = {}
        """What the test says: `failures`, `runs`, `intent`, `language`, `drain`."""

    @contextmanager
    def open(self) -> Generator[None, None, None]:
        """One call at a time. What it noted is kept also when it fails."""
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.settings = _read(self.directory / "settings.json")
            self.services = _read(self.directory / "state.json")
            try:
                yield
            finally:
                draft = self.directory / "state.json.new"
                draft.write_text(json.dumps(self.services), "utf-8")
                draft.replace(self.directory / "state.json")

    def service(self, name: str) -> Json:
        """What is noted about a service; to be written to."""
        return self.services.setdefault(name, {})

    def record(self, tool: str, argv: list[str]) -> None:
        """Add a line to the calls."""
        intent = self.settings.get("intent")
        call = {"tool": tool, "argv": argv, "intent": bool(intent and Path(intent).exists()), "at": time.time()}
        with (self.directory / "calls.jsonl").open("a", encoding="utf-8") as calls:
            calls.write(json.dumps(call) + "\n")

    def fail_if_told(self, tool: str, argv: list[str]) -> None:
        """End as the test said that such a call ends."""
        for failure in self.settings.get("failures", []):
            known, words = failure["tool"], failure["words"]
            if known != tool or not all(word in argv for word in words) or failure["times"] == 0:
                continue
            if failure["times"] is not None:
                failure["times"] -= 1
                (self.directory / "settings.json").write_text(json.dumps(self.settings), "utf-8")
            time.sleep(failure["seconds"])
            if failure["output"]:
                print(failure["output"])
            end(failure["code"], failure["text"])


def end(code: int, error: str = "") -> NoReturn:
    """Leave with a text on standard error."""
    if error:
        print(error, file=sys.stderr)
    raise SystemExit(code)


def is_alive(pid: int | None) -> bool:
    """Whether a process runs; one that has ended and is not reaped does not."""
    if not pid:
        return False
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def pid_of(service: Json) -> int | None:
    """The process of a service: a real one that lives, or one that is only said to run."""
    pid = service.get("pid")
    if pid is None or service.get("imagined") or is_alive(pid):
        return pid
    service["pid"] = None
    service.setdefault("exit", 0)
    return None


def home() -> Path:
    return Path(os.environ["HOME"])


def _read(path: Path) -> Json:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
