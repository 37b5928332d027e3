"""The gateway process without its supervisor's help; with it, see tests/e2e."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import xopc
from xopc.cli.gateway.run import launch
from xopc.config.resolve import Flags, resolve
from xopc.contracts.errors import ConfigError, Problem
from xopc.gateway.main import explain
from xopc.storage.base import StorageError
from xopc.storage.faults import Obstacle, StorageUnavailableError
from xopc.storage.migrate import LATEST_SCHEMA
from xopc_supervisor.contract import INHERITANCE_VARIABLE, LAUNCH_VARIABLE, Inheritance, Launch


def run_under_a_dead_supervisor(
    launched: Launch, home: Path, *, is_spare: bool = False
) -> tuple[subprocess.CompletedProcess[str], bytes]:
    """A gateway whose supervisor ends before it says `go`: its exit, and what it said on the line."""
    ours, theirs = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener, (home / "lock").open("w") as lock, ours:
        fds = (theirs.fileno(), lock.fileno(), listener.fileno())
        inheritance = Inheritance(fds[0], fds[1], (fds[2],), "boot", os.getpid(), is_spare=is_spare)
        ours.shutdown(socket.SHUT_WR)
        done = subprocess.run(
            [sys.executable, "-m", "xopc.gateway"],
            env={**os.environ, LAUNCH_VARIABLE: launched.to_json(), INHERITANCE_VARIABLE: inheritance.to_json()},
            pass_fds=fds,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        theirs.close()
        ours.settimeout(5)
        return done, ours.recv(1000)


def test_started_by_hand_it_says_how_to_start_the_gateway() -> None:
    done = subprocess.run([sys.executable, "-m", "xopc.gateway"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "This process is started by its supervisor. Start the gateway with: xopc gateway\n"


def test_a_gateway_whose_supervisor_is_gone_ends_before_it_opens_the_database(home: Path) -> None:
    done, said = run_under_a_dead_supervisor(launch(resolve(os.environ, Flags())), home)
    assert done.returncode == 0, done.stderr
    assert said == f"standby {xopc.__version__} {LATEST_SCHEMA}\n".encode()
    assert not (home / ".xopc" / "xopc.db").exists()


def test_a_configuration_that_turned_bad_is_refused_with_78_and_logged(home: Path) -> None:
    launched = launch(resolve(os.environ, Flags()))
    (home / ".xopc").mkdir()
    (home / ".xopc" / "xopc.json").write_text('{"gateway": {"port": "many"}}')
    done, said = run_under_a_dead_supervisor(launched, home)
    assert done.returncode == 78
    assert said.startswith(b"failed ")
    assert b"$.gateway.port: must be a whole number" in said
    (log,) = (home / ".xopc" / "logs").glob("app-*.log")
    last = json.loads(log.read_text().splitlines()[-1])
    assert last["level"] == "fatal"
    assert "$.gateway.port" in last["message"]


@pytest.mark.parametrize(
    ("error", "says", "code"),
    [
        (StorageUnavailableError(Obstacle.FULL, "the disk is full"), "cannot start for now: the disk is full", 74),
        (StorageUnavailableError(Obstacle.HELD, "another has it"), "cannot start for now: another has it", 1),
        (ConfigError("xopc.json", Problem("$.gateway.port", "must be a number")), "Gateway refused to start", 78),
        (StorageError("Nothing was stored: no room"), "cannot run for now: Nothing was stored: no room", 74),
        (OSError(28, "No space left on device"), "cannot run for now: [Errno 28] No space left on device", 74),
        (ExceptionGroup("tasks", [ExceptionGroup("task", [StorageError("no room")])]), "cannot run for now", 74),
        (ExceptionGroup("tasks", [ValueError("a bug")]), "The gateway failed: ValueError: a bug", 1),
    ],
)
def test_why_a_process_ends_is_a_sentence_and_an_exit_code(error: Exception, says: str, code: int) -> None:
    message, exit_code = explain(error)
    assert says in message
    assert exit_code == code


def test_a_spare_stands_by_whatever_the_configuration_is_and_changes_nothing(home: Path) -> None:
    launched = launch(resolve(os.environ, Flags()))
    (home / ".xopc").mkdir()
    (home / ".xopc" / "xopc.json").write_text('{"gateway": {"port": "many"}}')
    done, said = run_under_a_dead_supervisor(launched, home, is_spare=True)
    assert done.returncode == 0, done.stderr
    assert said == f"standby {xopc.__version__} {LATEST_SCHEMA}\n".encode()
    assert [path.name for path in (home / ".xopc").iterdir()] == ["xopc.json"]
