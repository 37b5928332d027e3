"""One gateway that is disturbed: its home, its installation, and the world around it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from attrs import define

from tests.e2e.chaos.installation import Installation
from tests.e2e.chaos.observers import processes
from tests.e2e.harness import Gateway, until
from tests.e2e.outside import Outside, ask, outside
from tests.ports import free_port

WATCHDOG_SECONDS = 3
STEADY_SECONDS = 1.2
"""A crash of a process that was ready for a second is the first one in a row, and costs no pause."""
WELL_SECONDS = 60
MOST_TOLD = 40
REST_SECONDS = 0.5
"""For the channels to connect, which they do once the gateway serves."""

Health = dict[str, Any]


@define(eq=False)
class Site:
    """What a disturbance works on. `gateway` is another object after its supervisor was killed."""

    home: Path
    world: Outside
    installation: Installation
    port: int
    mark: str
    dice: random.Random
    gateway: Gateway
    well_since: float = 0.0
    """Since when the running process has been ready."""

    @property
    def config_path(self) -> Path:
        return self.gateway.state / "xopc.json"

    @property
    def lock_paths(self) -> tuple[Path, Path]:
        """The supervisor's lock, and that of the database."""
        path = self.gateway.lock_file()
        assert path is not None
        return path, self.gateway.state / "xopc.db.lock"

    def start(self) -> None:
        """The same command again, as a person or a script would."""
        self.gateway = _start(self.home, self.installation, self.port, self.mark)
        self.gateway.wait_until_ready()
        self.well_since = time.monotonic()

    def stop(self) -> None:
        """Stop it as a person does, and let go of its output."""
        self.gateway.signal(signal.SIGTERM)
        assert self.gateway.wait_until_ended() == 0, self.gateway.text
        assert self.gateway.process.stdout is not None
        self.gateway.process.stdout.close()

    def start_again(self) -> float:
        """Stop it and start it: seconds from the command to the first 200 of /health."""
        self.stop()
        began = time.monotonic()
        self.gateway = _start(self.home, self.installation, self.port, self.mark)
        assert self.gateway.request("GET", "/health", token=None).status == 200
        taken = time.monotonic() - began
        self.gateway.wait_until_ready()
        self.well_since = time.monotonic()
        return taken

    def warm_up(self) -> None:
        """Do once whatever opens something that stays open: a message in, a turn, a message out, and a look."""
        for number in range(2):
            reply = ask(self.gateway, f"warm-up {number}", session="warm-up")
            assert reply.status == 200, reply.body
        self.world.write("warm-up")
        self.world.until_sent(1)
        self.gateway.request("GET", "/api/status")

    def renew(self) -> None:
        """Restart it in its process, which closes every connection that is only kept for the next use."""
        before = self.health()
        assert before is not None
        self.gateway.signal(signal.SIGUSR1)
        self.until_well("the next generation serves", lambda now: now["generation"] == before["generation"] + 1)
        time.sleep(REST_SECONDS)

    def pids(self) -> dict[str, int]:
        """Of the two processes that serve."""
        health = self.until_well("the gateway is well", lambda _health: True)
        return {"supervisor": health["pid"], "child": health["gatewayPid"]}

    def told(self) -> str:
        """What the gateway said last."""
        return "\n".join(self.gateway.text.splitlines()[-MOST_TOLD:])

    def health(self) -> Health | None:
        """None where nobody answers, or the answer is torn."""
        try:
            return self.gateway.health()
        except (OSError, http.client.HTTPException, ValueError):
            return None

    def problems(self) -> list[Any]:
        """What the gateway says is wrong with it."""
        return self.gateway.request("GET", "/api/status").json["problems"]

    def until_well(self, what: str, is_it: Callable[[Health], bool], seconds: float = WELL_SECONDS) -> Health:
        """Wait for a healthy gateway of which something holds."""

        def look() -> Health | None:
            health = self.health()
            return health if health is not None and health["status"] == "healthy" and is_it(health) else None

        health = until(look, what, seconds)
        assert health is not None
        return health

    def until_another_process(self, before: Health) -> Health:
        health = self.until_well("another process serves", lambda now: now["bootId"] != before["bootId"])
        assert health["gatewayPid"] != before["gatewayPid"]
        self.well_since = time.monotonic()
        return health

    def until_steady(self) -> None:
        time.sleep(max(0.0, self.well_since + STEADY_SECONDS - time.monotonic()))


@contextlib.contextmanager
def site(directory: Path, dice: random.Random, **settings: object) -> Generator[Site]:
    """A ready gateway between a Bot API and a model provider, with these settings in its section `gateway`.

    All of its processes end with the block.
    """
    home = directory / "home"
    home.mkdir()
    installation = Installation(directory / "installed")
    port, mark = free_port(dice), uuid.uuid4().hex
    with outside() as world:
        world.configure(home)
        _configure(home, {"watchdogSeconds": WATCHDOG_SECONDS, **settings})
        here = Site(home, world, installation, port, mark, dice, gateway=_start(home, installation, port, mark))
        try:
            here.gateway.wait_until_ready()
            here.well_since = time.monotonic()
            yield here
        finally:
            here.gateway.kill()
            for pid in processes(mark):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _start(home: Path, installation: Installation, port: int, mark: str) -> Gateway:
    return Gateway(home, "--port", str(port), PYTHONPATH=str(installation.directory), CHAOS_RUN=mark)


def _configure(home: Path, settings: Mapping[str, object]) -> None:
    path = home / ".xopc" / "xopc.json"
    document = json.loads(path.read_text())
    document["gateway"] |= settings
    path.write_text(json.dumps(document))
