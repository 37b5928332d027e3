"""Starts and ends what a service runs: really, where the test wants that; else a number says that it runs."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.fakes.service_tools.state import Json, State, is_alive, pid_of

FIRST_IMAGINED_PID = 4_200_001
"""Above what a kernel hands out."""
READY_SECONDS = 20.0
STOP_SECONDS = 20.0


def start(
    state: State,
    service: Json,
    command: Sequence[str],
    environ: Mapping[str, str],
    directory: str | None,
    *,
    output: Path | None = None,
    waits_for_ready: bool = False,
) -> bool:
    """Have it run; False where it ended before it was ready, or could not be run."""
    service["exit"] = 0
    if not state.settings.get("runs"):
        number = state.service("_").get("next", FIRST_IMAGINED_PID)
        state.service("_")["next"] = number + 1
        service.update(pid=number, imagined=True)
        return True
    service["imagined"] = False
    notifier = state.directory / f"notify-{os.getpid()}"
    own = {**environ, **({"NOTIFY_SOCKET": str(notifier)} if waits_for_ready else {})}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, _removed(notifier):
        if waits_for_ready:
            told.bind(str(notifier))
        target = output or state.directory / "output"
        try:
            with target.open("ab") as log:
                process = subprocess.Popen(
                    command,
                    env=own,
                    cwd=directory,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError:
            service.update(pid=None, exit=203)
            return False
        service["pid"] = process.pid
        state.service("_").setdefault("started", []).append(process.pid)
        if not waits_for_ready or _is_ready(told, process):
            process.returncode = 0  # it outlives this tool, and is nobody's to wait for
            return True
    if process.poll() is None:
        process.kill()
        process.wait()
    service.update(pid=None, exit=process.returncode)
    return False


def stop(service: Json, number: int = signal.SIGTERM) -> None:
    """End it, and wait for its end."""
    pid = pid_of(service)
    imagined = service.get("imagined")
    service["pid"] = None
    if pid is None or imagined:
        return
    with suppress(ProcessLookupError):
        os.kill(pid, number)
    deadline = time.monotonic() + STOP_SECONDS
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    if is_alive(pid):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def _removed(path: Path) -> Generator[None, None, None]:
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _is_ready(told: socket.socket, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if select.select([told], [], [], 0.02)[0]:
            words, ancillary, *_ = socket.recv_fds(told, 65536, 16)
            for descriptor in ancillary:
                os.close(descriptor)
            if b"READY=1" in words.split(b"\n"):
                return True
        elif process.poll() is not None:
            return False
    return False
