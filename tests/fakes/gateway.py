"""Runs `gateway_process.py`, and what else listens at a port, in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from attrs import asdict, frozen

from xopc.cli.gateway.run import launch
from xopc.config.paths import resolve_paths
from xopc.config.resolve import Flags, resolve
from xopc_supervisor.contract import LAUNCH_VARIABLE

TOKEN = "0123456789abcdef0123456789abcdef"
SCRIPT = Path(__file__).with_name("gateway_process.py")
LISTEN = (
    "import socket,time;s=socket.create_server(('127.0.0.1',0));print(s.getsockname()[1],flush=True);time.sleep(60)"
)


@frozen
class Behaviour:
    """How the fake gateway behaves."""

    locked: bool = True
    """Whether it has the lock of the default configuration."""
    state: str | None = "serving"
    """What the lock says that it is at; None: not yet at anything."""
    on_usr1: str = "restart"
    """`restart`, `refuse` (it takes the intent and goes on as it is), `decline` (it says so, too), `unread` (it
    restarts and leaves the intent), or `ignore`."""
    on_term: str = "exit"
    """`exit` or `ignore`."""
    restart_seconds: float = 0.0
    health_code: int = 200
    boot_id: str = "a-boot"
    version: str = "0.1.0"
    token: str = TOKEN
    warnings: tuple[str, ...] = ()
    launched: bool = False
    """Whether its environment tells what it was started with, as a supervisor's does."""
    addresses: tuple[str, ...] = ()
    """Where it says that it listens."""
    channels: str = "running"
    """The state of that task of its tree."""
    problems: tuple[str, ...] = ()
    """The codes of what is wrong with it."""


@frozen
class Running:
    """A process that listens."""

    process: subprocess.Popen[str]
    port: int
    home: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def suspend(self) -> None:
        """As Ctrl-Z does."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def requests(self) -> list[str]:
        """The paths that were asked for, each with its credential."""
        path = self.home / "requests"
        return path.read_text().splitlines() if path.exists() else []


@contextmanager
def running_gateway(home: Path, behaviour: Behaviour = Behaviour()) -> Generator[Running]:
    """A fake gateway of the default configuration in `home`, until the end of the block."""
    paths = resolve_paths({"XOPC_HOME": str(home)})
    paths.state_dir.mkdir(exist_ok=True)
    if not paths.config_path.exists():
        paths.config_path.write_text(json.dumps({"gateway": {"auth": {"token": TOKEN}}}))
    program = home / "bin" / "xopc"
    program.parent.mkdir(exist_ok=True)
    shutil.copy(SCRIPT, program)
    wanted = {
        **asdict(behaviour),
        "lock_path": str(paths.lock_path) if behaviour.locked else None,
        "intent_path": str(paths.intent_path),
        "requests": str(home / "requests"),
    }
    environ = {"FAKE_GATEWAY": json.dumps(wanted)}
    if behaviour.launched:
        environ[LAUNCH_VARIABLE] = launch(resolve({"XOPC_HOME": str(home)}, Flags())).to_json()
    with _running(home, [sys.executable, str(program), "gateway"], **environ) as running:
        yield running


@contextmanager
def stranger(home: Path) -> Generator[Running]:
    """A process that listens, and is no gateway."""
    with _running(home, [sys.executable, "-c", LISTEN]) as running:
        yield running


@contextmanager
def _running(home: Path, command: list[str], **environ: str) -> Generator[Running]:
    process = subprocess.Popen(command, env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Running(process, int(process.stdout.readline()), home)
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def configure(home: Path, **gateway: object) -> Path:
    """Write a configuration with a token, and what else belongs into `gateway`."""
    path = home / ".xopc" / "xopc.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"gateway": {"auth": {"token": TOKEN}, **gateway}}))
    return path
