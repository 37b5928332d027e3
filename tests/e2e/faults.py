"""Disks that become full or fail under a running gateway, and somebody who writes through it the whole time."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.e2e.harness import Gateway, until
from tests.e2e.outside import CHAT

DISK_BYTES = 8 * 1024 * 1024
SIZE = 2000
"""Of a message: so many fit in a page of the database that it is soon full."""


class Writer(threading.Thread):
    """Sends one message after the other to a chat, each again under its key until it is acknowledged."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[str] = []
        self.refused: list[Any] = []
        """The bodies of answers that told to try again."""
        self.failures: list[str] = []
        self.cut = 0
        """Connections that ended without an answer, as they do when the process that has them is killed."""
        self._gateway = gateway
        self._end = threading.Event()

    def run(self) -> None:
        number = 0
        while not self._end.wait(0.02):
            text = f"message {number} ".ljust(SIZE, ".")
            if self._post(f"key-{number}", text):
                self.acknowledged.append(text)
                number += 1

    def end(self) -> None:
        self._end.set()
        self.join(30)

    def goes_on(self, count: int = 5) -> None:
        """Wait until so many more are acknowledged."""
        goal = len(self.acknowledged) + count
        until(lambda: len(self.acknowledged) >= goal or self.failures, "messages are acknowledged", 60)

    def _post(self, key: str, text: str) -> bool:
        body = {"channel": "telegram", "chat_id": str(CHAT), "content": text}
        try:
            reply = post(self._gateway, "/api/message", body, **{"Idempotency-Key": key})
        except ConnectionResetError:  # also where http.client calls it RemoteDisconnected
            self.cut += 1
            return False
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(repr(error))
            return False
        if reply.status == 503:
            self.refused.append(reply.json["error"])
        elif reply.status != 200:
            self.failures.append(f"{reply.status} {reply.body!r}")
        return reply.status == 200


@contextmanager
def writing(gateway: Gateway) -> Generator[Writer]:
    """Somebody writes while the block runs; what he got is there to be read after it."""
    writer = Writer(gateway)
    writer.start()
    try:
        writer.goes_on()
        yield writer
        writer.goes_on()
    finally:
        writer.end()


def post(gateway: Gateway, path: str, body: object, **headers: str) -> Any:  # noqa: ANN401 - JSON
    return gateway.request("POST", path, body=json.dumps(body), headers={"Content-Type": "application/json", **headers})


def problems(gateway: Gateway) -> dict[str, str]:
    """What `/api/status` says is wrong."""
    return {problem["code"]: problem["message"] for problem in gateway.request("GET", "/api/status").json["problems"]}


# ---------------------------------------------------------------------- faults


@contextmanager
def no_writes(pid: int) -> Generator[None]:
    """No file of a process may be written to: EFBIG, which sqlite takes for the I/O error that EIO is."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def stopped(pid: int) -> Generator[None]:
    """A process stands still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def moved(path: Path) -> Generator[None]:
    """A file is not where it was."""
    aside = path.with_name(f"{path.name}.aside")
    path.rename(aside)
    try:
        yield
    finally:
        aside.rename(path)


class SmallDisk:
    """A real file system of `DISK_BYTES`, for database and log, which the gateway alone sees."""

    def __init__(self, home: Path) -> None:
        """Leads the files of the gateway at `home` to the disk."""
        self.place = home / "disk"
        self.place.mkdir()
        (home / ".xopc" / "xopc.db").symlink_to(self.place / "xopc.db")
        (home / ".xopc" / "logs").symlink_to(self.place / "logs")
        mount = f'mount -t tmpfs -o size={DISK_BYTES} tmpfs "$0" && mkdir "$0/logs" && exec "$@"'
        self.command = ("unshare", *_namespace(), "sh", "-c", mount, str(self.place))

    @contextmanager
    def full(self, gateway: Gateway) -> Generator[None]:
        """Nothing more fits."""
        seen = Path(f"/proc/{gateway.process.pid}/root") / self.place.relative_to("/")
        filler = seen / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * 4096)
        try:
            yield
        finally:
            filler.unlink()


@contextmanager
def full_database(gateway: Gateway) -> Generator[None]:
    """The database of `small_database_gateway.py` may not grow."""
    gateway.request("GET", "/pages/1")
    try:
        yield
    finally:
        until(lambda: gateway.request("GET", f"/pages/{2**30}").status == 200, "the database may grow again")


def can_mount() -> bool:
    """Whether this user may have a file system of his own, here."""
    command = ["unshare", *_namespace(), "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0
    except OSError:
        return False


def _namespace() -> tuple[str, ...]:
    return ("--mount",) if os.geteuid() == 0 else ("--user", "--map-root-user", "--mount")
