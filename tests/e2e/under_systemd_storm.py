"""A service whose owner does several things at once, under a real service manager, while clients ask the whole time.

Like `under_systemd.py` not among the tests of `make test`; `.ci/run` runs both where that is possible.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import TOKEN, XOPC, is_refused, until, write_config
from tests.e2e.load import Load
from tests.e2e.systemd import Unit, UserManager, user_manager
from tests.ports import free_port

pytestmark = pytest.mark.timeout(300)  # each restart is a whole start, and several are asked for at once


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def manager() -> Iterator[UserManager]:
    with user_manager() as manager:
        yield manager


@pytest.fixture
def unit(manager: UserManager, tmp_path: Path, port: int) -> Unit:
    """An installed service that runs."""
    write_config(tmp_path, {"gateway": {"port": port, "auth": {"token": TOKEN}}})
    manager.run(tmp_path, "gateway", "service", "install")
    manager.run(tmp_path, "gateway", "service", "start")
    return Unit(manager, "xopc-gateway")


class Storm:
    """Commands that run at the same time."""

    def __init__(self, manager: UserManager, home: Path) -> None:
        self._manager = manager
        self._home = home
        self.said: list[tuple[str, int, str]] = []

    def run(self, *commands: str) -> None:
        """Run them to their end, all at once."""
        threads = [threading.Thread(target=self._run, args=(command,)) for command in commands]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """Start one, for the caller to kill."""
        words, environ = self._manager.command(self._home, XOPC, *command.split())
        return subprocess.Popen(
            words, env=environ, cwd=self._home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _run(self, command: str) -> None:
        words, environ = self._manager.command(self._home, XOPC, *command.split())
        done = subprocess.run(
            words, env=environ, cwd=self._home, capture_output=True, text=True, timeout=120, check=False
        )
        self.said.append((command, done.returncode, done.stdout + done.stderr))


def test_a_restart_a_backup_and_an_installation_at_once_refuse_nobody(
    unit: Unit, manager: UserManager, tmp_path: Path, port: int
) -> None:
    storm = Storm(manager, tmp_path)
    with Load(port, "/health", {}).running() as load:
        storm.run(
            "gateway restart --wait 60s",
            "gateway service install --force",
            "backup",
            "doctor --fix --yes",
            "gateway status",
        )
    assert load.failures == []
    assert [said for said in storm.said if "Traceback" in said[2]] == []
    failed = [said for said in storm.said if said[1] != 0 and not said[0].startswith("gateway status")]
    assert failed == []
    assert unit.show("ActiveState") == "active"
    assert not list(tmp_path.glob(".xopc/*intent*"))


def test_restarts_at_once_are_done_one_after_the_other_and_refuse_nobody(
    unit: Unit, manager: UserManager, tmp_path: Path, port: int
) -> None:
    storm = Storm(manager, tmp_path)
    before = unit.show("MainPID")
    with Load(port, "/health", {}).running() as load:
        storm.run("gateway restart --wait 60s", "gateway restart", "gateway restart --wait 60s")
    assert load.failures == []
    assert [said for said in storm.said if said[1] != 0] == []
    assert unit.is_another_than(before)
    assert not list(tmp_path.glob(".xopc/*intent*"))


def test_a_service_that_is_started_while_a_restore_is_at_work_comes_up_after_it(
    unit: Unit, manager: UserManager, tmp_path: Path, port: int
) -> None:
    manager.run(tmp_path, "agent", "Hello!")
    backup = tmp_path / "b.tar.gz"
    (tmp_path / ".xopc" / "workspace" / "big").write_bytes(bytes(100_000_000))
    manager.run(tmp_path, "backup", "--output", str(backup))
    manager.run(tmp_path, "gateway", "stop", "--disable")
    with Storm(manager, tmp_path).start(f"restore {backup} --yes") as restore:
        until(lambda: list(tmp_path.glob(".xopc/restoring-*")) or restore.poll() is not None, "it unpacks")
        manager.systemctl("start", "--no-block", unit.unit)
        assert restore.wait(60) == 0
    until(lambda: unit.show("ActiveState") == "active", "the manager has started it", seconds=60)
    assert not is_refused(port)


def test_a_service_that_is_removed_while_it_is_restarted_is_gone(
    unit: Unit, manager: UserManager, tmp_path: Path, port: int
) -> None:
    storm = Storm(manager, tmp_path)
    storm.run("gateway restart", "gateway restart --wait 10s", "gateway service uninstall", "gateway stop")
    assert [said for said in storm.said if "Traceback" in said[2]] == []
    manager.run(tmp_path, "gateway", "service", "uninstall")
    assert unit.show("LoadState") == "not-found"
    until(lambda: is_refused(port), "nobody serves")
    assert not list(tmp_path.glob(".xopc/*intent*"))
