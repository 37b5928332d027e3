"""The real console script, as a person starts it: a temporary home, real signals, real sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tests.leaks import WITNESS
from xopc.cli.gateway.run import launch
from xopc.config.resolve import Flags
from xopc.config.setup import prepare
from xopc_supervisor.contract import LAUNCH_VARIABLE, LockInfo, is_alive

XOPC = Path(sys.executable).with_name("xopc")
TOKEN = "0123456789abcdef0123456789abcdef"
T = TypeVar("T")


class Reply:
    """One HTTP answer."""

    def __init__(self, status: int, headers: http.client.HTTPMessage, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.body)


class Gateway:
    """One `xopc gateway` in a home of its own; with `child`, that program is its gateway process.

    `within` is a command that runs it, and ends as it does; `program` is the `xopc` of another installation.
    """

    def __init__(
        self,
        home: Path,
        *args: str,
        child: Path | None = None,
        within: Sequence[str] = (),
        program: Sequence[str | Path] = (XOPC,),
        **environ: str,
    ) -> None:
        self.program = program
        self.home = home
        self.state = home / ".xopc"
        self.environ = {**os.environ, "XOPC_HOME": str(home), "HOME": str(home), **environ}
        self.output: list[str] = []
        command: list[str | Path] = [*program, "gateway", *args]
        if child is not None:
            ours = launch(prepare(self.environ, Flags(port=0)))._replace(command=(sys.executable, str(child)))
            self.environ[LAUNCH_VARIABLE] = ours.to_json()
            command = [sys.executable, "-m", "xopc_supervisor", "gateway"]
        self.process = subprocess.Popen(
            [*within, *command],
            env=self.environ,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        WITNESS.follow(home, self.environ, self.output)

    # ------------------------------------------------------------ its files

    @property
    def text(self) -> str:
        return "".join(self.output)

    def lock_file(self) -> Path | None:
        return next(self.state.glob("locks/gateway.*.lock"), None)

    def lock(self) -> LockInfo | None:
        path = self.lock_file()
        return LockInfo.from_json(path.read_text()) if path else None

    @property
    def child_pid(self) -> int:
        info = self.lock()
        assert info is not None
        assert info.child_pid is not None
        return info.child_pid

    @property
    def port(self) -> int:
        port = until(lambda: (info := self.lock()) and info.port, "the supervisor has its port")
        assert port is not None
        return port

    # ---------------------------------------------------------------- verbs

    def wait_until_ready(self) -> Gateway:
        """Wait for the end of the start: after its banner, it looks whether its configuration has changed meanwhile."""
        until(lambda: '"The gateway is ready."' in self.text or self.process.poll() is not None, "the gateway starts")
        assert self.process.poll() is None, self.text
        WITNESS.see_processes(self.process.pid)
        return self

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait_until_ended(self, seconds: float = 20) -> int:
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | str | None = None,
        token: str | None = TOKEN,
        headers: dict[str, str] | None = None,
        host: str = "127.0.0.1",
    ) -> Reply:
        connection = http.client.HTTPConnection(host, self.port, timeout=20)
        with contextlib.closing(connection):
            credential = {"Authorization": f"Bearer {token}"} if token else {}
            connection.request(method, path, body, {**credential, **(headers or {})})
            response = connection.getresponse()
            reply = Reply(response.status, response.headers, response.read())
        WITNESS.hear(f"the answer to {method} {path.partition('?')[0]}", reply.body.decode(errors="replace"))
        return reply

    def health(self) -> Any:  # noqa: ANN401 - JSON
        return self.request("GET", "/health", token=None).json

    def boot_id(self) -> str | None:
        """Of the process that answers now; None where the answer is torn."""
        try:
            return self.health()["bootId"]
        except (OSError, http.client.HTTPException):
            return None

    def xopc(self, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Another command of the same person."""
        return run_xopc(*args, environ={**self.environ, **environ}, cwd=self.home, program=self.program)

    def kill(self) -> None:
        WITNESS.see_processes(self.process.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        info = self.lock()
        if info and info.child_pid and is_alive(info.child_pid, info.child_start_time):
            os.kill(info.child_pid, signal.SIGKILL)
        self.process.wait(10)
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(ValueError):
            for line in self.process.stdout:
                self.output.append(line)


def run_xopc(
    *args: str, environ: dict[str, str], cwd: Path, program: Sequence[str | Path] = (XOPC,)
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*program, *args],
        env=environ,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180 if args[0] == "update" else 60,  # it installs, on a machine that may be busy
        check=False,
    )


def until(condition: Callable[[], T], what: str, seconds: float = 20) -> T:
    """The first true value of the condition, polled."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise TimeoutError(f"waited {seconds} s until {what}")


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def write_config(home: Path, document: object) -> Path:
    path = home / ".xopc" / "xopc.json"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    path.chmod(0o600)
    return path
