"""Where a pipe stands that nobody writes to, no command waits for it, and no gateway."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.harness import Gateway, run_xopc
from tests.fakes.service_managers import FakeManagers
from xopc.config.paths import Paths, resolve_paths

PLACES: dict[str, Callable[[Paths], Path]] = {
    "configuration": lambda paths: paths.config_path,
    "accepted copy": lambda paths: paths.accepted,
    "models": lambda paths: paths.models,
    "lock": lambda paths: paths.lock_path,
    "intent": lambda paths: paths.intent_path,
    "local key": lambda paths: paths.local_key,
    "served certificate": lambda paths: paths.served_certificate,
    "old pid file": lambda paths: paths.state_dir / "gateway.pid",
    "log": lambda paths: paths.log_dir / f"app-{datetime.now().astimezone():%Y-%m-%d}.log",
    "secrets of the service": lambda paths: paths.state_dir / "service" / "xopc-gateway.env",
    "unit": lambda paths: paths.state_dir.parent / ".config/systemd/user/xopc-gateway.service",
    "drop-in": lambda paths: paths.state_dir.parent / ".config/systemd/user/xopc-gateway.service.d/a.conf",
    "lock of updates": lambda paths: paths.state_dir.parent / ".local/share/xopc/update.lock",
    "journal of updates": lambda paths: paths.state_dir.parent / ".local/share/xopc/update.json",
    "dot-env": lambda paths: paths.state_dir.parent / ".env",
}
ALONE = ("configuration", "lock", "unit", "secrets of the service")
"""With one of these, commands come no further; with all the others at once they do."""
UNREAD = ("accepted copy", "models", "intent", "local key", "served certificate", "old pid file", "log")
"""What a gateway starts with, as if it were not there."""
COMMANDS = (
    ("gateway", "status"),
    ("gateway", "service", "status"),
    ("doctor",),
    ("gateway", "service", "install", "--force"),
)


def put_pipe(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize("names", [*((name,) for name in ALONE), tuple(name for name in PLACES if name not in ALONE)])
def test_no_command_waits_for_a_pipe_and_one_says_where_it_stands(home: Path, names: tuple[str, ...]) -> None:
    with FakeManagers(home) as managers:
        assert run_xopc("gateway", "service", "install", environ=managers.environ, cwd=home).returncode == 0
        paths = [PLACES[name](resolve_paths(managers.environ)) for name in names]
        for path in paths:
            put_pipe(path)
        said = ""
        for command in COMMANDS:
            done = run_xopc(*command, environ=managers.environ, cwd=home)
            assert done.returncode in (0, 1), done
            said += done.stdout + done.stderr
        assert "Traceback" not in said
        assert len(names) > 1 or str(paths[0]) in "".join(said.split())


def test_a_gateway_starts_without_what_is_no_file(home: Path, start: Callable[..., Gateway]) -> None:
    paths = resolve_paths({"HOME": str(home)})
    for name in UNREAD:
        put_pipe(PLACES[name](paths))
    gateway = start()
    assert gateway.health()["status"] in ("healthy", "degraded")
    assert paths.local_key.is_file(), "it makes a new one"
    gateway.signal(signal.SIGTERM)
    assert gateway.wait_until_ended() == 0
