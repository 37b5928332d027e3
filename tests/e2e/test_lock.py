"""The lock: who has it, what is left of dead owners, and what happens where the file system does not play along."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.harness import Gateway, until
from xopc_supervisor.contract import is_alive, lock_path, start_time

Start = Callable[..., Gateway]


def lock_of(home: Path) -> Path:
    return Path(lock_path(str(home / ".xopc"), str(home / ".xopc" / "xopc.json")))


@pytest.mark.parametrize("started", ["1", "null"])
def test_row_096_a_lock_that_names_a_reused_pid_stops_nobody(home: Path, start: Start, started: str) -> None:
    lock_of(home).parent.mkdir()
    lock_of(home).write_text(f'{{"pid": {os.getpid()}, "startTime": {started}, "configPath": ""}}\n')
    assert start().health()["status"] == "healthy"


@pytest.mark.timeout(60)  # it waits for 8 s
def test_an_orphan_that_does_not_end_is_killed_and_its_place_taken(gateway: Gateway, start: Start) -> None:
    orphan = gateway.child_pid
    os.kill(orphan, signal.SIGSTOP)
    gateway.process.kill()
    gateway.process.wait()
    # The kernel lets a stopped process run when its group has lost its parent.
    os.kill(orphan, signal.SIGSTOP)
    began = time.monotonic()
    second = start()
    assert 7 < time.monotonic() - began < 15
    assert not is_alive(orphan, None)
    assert second.health()["status"] == "healthy"


def test_a_lock_directory_that_vanishes_lets_no_second_owner_in(gateway: Gateway, start: Start) -> None:
    shutil.rmtree(lock_of(gateway.home).parent)
    child = gateway.xopc("gateway", "status", "--json")
    assert child.returncode == 1, "without the lock nobody knows its port, which is not that of the configuration"
    second = start(ready=False)
    database = gateway.state / "xopc.db"
    until(lambda: f"{database} is in use by process" in second.text, "the database's own lock stops it", 30)
    assert "✅ Gateway started" not in second.text
    second.signal(signal.SIGTERM)
    assert second.wait_until_ended() == 0


def test_a_gateway_whose_lock_vanished_is_found_by_its_port_and_stopped(gateway: Gateway) -> None:
    port = gateway.port
    shutil.rmtree(lock_of(gateway.home).parent)
    config = gateway.state / "xopc.json"
    config.write_text(config.read_text().replace('"gateway": {', f'"gateway": {{"port": {port}, '))
    shown = gateway.xopc("gateway", "status").stdout
    assert f"The gateway (pid {gateway.process.pid}) lost its lock" in shown
    refused = gateway.xopc("gateway", "restart")
    assert refused.returncode == 1
    assert "somebody removed the lock" in refused.stderr
    assert "✅ Gateway stopped." in gateway.xopc("gateway", "stop").stdout
    assert gateway.wait_until_ended() == 0


@pytest.mark.parametrize("what", ["link", "directory", "pipe"])
def test_what_is_no_lock_file_is_told_and_left_alone(home: Path, start: Start, what: str) -> None:
    path = lock_of(home)
    path.parent.mkdir()
    config = home / ".xopc" / "xopc.json"
    before = config.read_text()
    {"link": lambda: path.symlink_to(config), "directory": path.mkdir, "pipe": lambda: os.mkfifo(path)}[what]()
    gateway = start(ready=False)
    assert gateway.wait_until_ended() == 1
    sentence = "is a symbolic link, and has to be a file." if what == "link" else "is not a file."
    assert f"❌ {path} {sentence}\n" in gateway.text
    assert "Traceback" not in gateway.text
    assert config.read_text() == before
    path.rename(path.with_suffix(".odd"))


def test_a_disk_that_does_not_take_the_locks_text_keeps_no_gateway_from_starting(home: Path, start: Start) -> None:
    """The limit on the size of files stands for a full disk: nothing can be written, and everything else works."""
    limited = start(ready=False, within=("/bin/sh", "-c", 'ulimit -f 0 && exec "$@"', "sh"))
    try:
        until(lambda: "Press Ctrl+C to stop" in limited.text or limited.process.poll() is not None, "it starts")
        until(lambda: lock_of(home).exists(), "it has the lock")
        assert lock_of(home).read_text() == ""
        second = start(ready=False)
        assert second.wait_until_ended() == 1
        assert f"❌ Gateway already running (pid {limited.process.pid})" in second.text
    finally:
        limited.signal(signal.SIGTERM)
        limited.wait_until_ended()
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] != 0


def test_a_state_directory_of_another_user_is_told_with_its_path_and_what_to_do(tmp_path: Path, start: Start) -> None:
    state = tmp_path / "foreign"
    (state / "workspace").mkdir(parents=True)
    (state / "xopc.json").write_text("{}")
    (state / "xopc.json").chmod(0o444)
    state.chmod(0o555)
    # As root, to whom a mode means nothing, it is started without the right to pass over modes.
    drop = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all") if not os.geteuid() else ()
    gateway = start(ready=False, within=drop, XOPC_STATE_DIR=str(state))
    assert gateway.wait_until_ended() == 1
    path = lock_path(str(state), str(state / "xopc.json"))
    assert f"❌ Cannot take the lock {path}: this user may not write to {state}" in gateway.text
    assert "XOPC_STATE_DIR" in gateway.text
    assert "Traceback" not in gateway.text


def test_a_started_gateway_names_itself_with_its_start(gateway: Gateway) -> None:
    info = gateway.lock()
    assert info is not None
    assert (info.start_time, info.is_alive()) == (start_time(gateway.process.pid), True)
    assert info.child_start_time == start_time(gateway.child_pid)
