"""Who is a gateway, and who is never signalled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.fakes.gateway import Behaviour, running_gateway, stranger
from xopc.contracts.errors import Failure, XopcError
from xopc.service.identity import command_line, is_orphan, launch_of, never_respawns, runs_gateway, send, signal_target
from xopc_supervisor.contract import INHERITANCE_VARIABLE, LAUNCH_VARIABLE, NO_RESPAWN_VARIABLE, Inheritance, Launch

PYTHON = "/usr/bin/python3.11"


@pytest.mark.parametrize(
    "argv",
    [
        ["xopc", "gateway"],
        ["/home/a/.local/bin/xopc", "gateway", "--port", "18790"],
        ["/opt/xopc-gateway", "gateway"],
        [PYTHON, "/home/a/.local/bin/xopc", "gateway"],
        [PYTHON, "-m", "xopc", "gateway"],
        [PYTHON, "-P", "-m", "xopc_supervisor", "gateway", "--port", "1"],
        [PYTHON, "-X", "dev", "-W", "error", "-m", "xopc_supervisor", "gateway"],
        [PYTHON, "-m", "xopc.gateway"],
        ["Python", "-P", "-m", "xopc.gateway"],
        [r"C:\Python\python.exe", r"C:\Scripts\xopc.exe", "gateway"],
        [r"C:\Scripts\xopc.cmd", "gateway"],
    ],
)
def test_a_gateway_is_known_by_its_arguments(argv: Sequence[str]) -> None:
    assert runs_gateway(argv)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["xopc"],
        ["xopc", "doctor"],
        ["nginx", "-c", "/home/a/xopc", "gateway"],
        [PYTHON, "-m", "http.server", "--directory", "/home/a/xopc", "gateway"],
        [PYTHON, "-c", "import socket", "xopc", "gateway"],
        [PYTHON, "/home/a/xopc/serve.py", "gateway"],
        [PYTHON, "-m", "xopc_supervisor_test", "gateway"],
        [PYTHON, "-m"],
        [PYTHON],
        ["vim", "xopc", "gateway"],
        ["xopc.gateway.py", "gateway"],
        ["my-xopc", "gateway"],
    ],
)
def test_what_only_mentions_a_gateway_is_none(argv: Sequence[str]) -> None:
    assert not runs_gateway(argv)


def test_the_command_line_of_a_process_is_read() -> None:
    argv = command_line(os.getpid())
    assert argv is not None
    assert Path(argv[0]).name.startswith("python")
    assert command_line(2**22 + 1) is None


def test_a_gateway_without_a_supervisor_is_signalled_itself(home: Path) -> None:
    with running_gateway(home) as gateway:
        assert signal_target(gateway.pid) == gateway.pid


def test_the_child_of_a_supervisor_is_signalled_through_it(tmp_path: Path) -> None:
    # A supervisor and its child, as far as their arguments go.
    package = tmp_path / "xopc_supervisor"
    package.mkdir()
    (package / "__main__.py").write_text(
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'xopc.gateway'])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    inner = tmp_path / "xopc" / "gateway"
    inner.mkdir(parents=True)
    for directory in (package, inner.parent, inner):
        (directory / "__init__.py").touch()
    (inner / "__main__.py").write_text("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "xopc_supervisor", "gateway"]
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        child = int(next(line for line in supervisor.stdout if line.strip().isdecimal()))
        try:
            assert "up" in supervisor.stdout.readline()
            assert signal_target(child) == supervisor.pid
            assert signal_target(supervisor.pid) == supervisor.pid
        finally:
            supervisor.kill()
            os.kill(child, signal.SIGKILL)


def test_a_stranger_is_no_target(home: Path) -> None:
    with stranger(home) as process:
        assert signal_target(process.pid) is None
    assert signal_target(process.pid) is None


def test_a_gateway_gets_the_signal(home: Path) -> None:
    with running_gateway(home) as gateway:
        send(gateway.pid, signal.SIGTERM)
        assert gateway.process.wait(10) == 0


def test_a_gateway_that_is_suspended_goes_on_to_take_the_signal(home: Path) -> None:
    with running_gateway(home) as gateway:
        gateway.suspend()
        send(gateway.pid, signal.SIGTERM)
        assert gateway.process.wait(10) == 0


def test_without_proc_a_gateway_is_not_told_to_have_ended(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_gateway(home) as gateway:
        monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path), raising=False)
        with pytest.raises(XopcError, match=f"no /proc: mount it, or signal it by hand .kill -TERM {gateway.pid}"):
            send(gateway.pid, signal.SIGTERM)


def test_a_stranger_is_refused_and_survives(home: Path) -> None:
    with stranger(home) as process:
        with pytest.raises(XopcError, match=f"refusing to signal non-gateway process pid {process.pid}") as caught:
            send(process.pid, signal.SIGKILL)
        assert caught.value.failure is Failure.CONFLICT
        assert process.process.poll() is None


@pytest.mark.parametrize("pid", [1, os.getpid(), os.getppid()], ids=["init", "oneself", "the_parent"])
def test_init_oneself_and_the_parent_are_refused(pid: int) -> None:
    with pytest.raises(XopcError, match=f"refusing to signal non-gateway process pid {pid}|another user"):
        send(pid, signal.SIGTERM)


def test_a_gateway_that_this_command_runs_inside_of_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "xopc"
    program.write_text(
        "import os, signal, subprocess, sys\n"
        "code = 'import sys, signal; from xopc.service.identity import send; send(int(sys.argv[1]), signal.SIGTERM)'\n"
        "done = subprocess.run([sys.executable, '-c', code, str(os.getpid())], capture_output=True, text=True)\n"
        "print(done.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, program, "gateway"], capture_output=True, text=True, timeout=30, cwd=tmp_path, check=True
    )
    assert "this command runs inside of that gateway" in done.stdout


def test_a_process_that_has_ended_is_told(home: Path) -> None:
    with running_gateway(home, Behaviour(locked=False)) as gateway:
        pid = gateway.pid
    with pytest.raises(XopcError, match=f"process {pid} has ended"):
        send(pid, signal.SIGTERM)


def test_a_supervisors_environment_tells_what_it_was_started_with(home: Path) -> None:
    with running_gateway(home, Behaviour(launched=True)) as gateway:
        launch = launch_of(gateway.pid)
    assert launch is not None
    assert launch.config_path == str(home / ".xopc" / "xopc.json")
    assert launch_of(os.getpid()) is None
    assert launch_of(gateway.pid) is None


LAUNCH = Launch("xopc.json", "state", "the.lock", "intent", "logs", (), (), (), "version", "", {})


@contextmanager
def sleeping(**environ: str) -> Generator[int]:
    """A process with these variables."""
    code = "import time; print(flush=True); time.sleep(60)"
    environ = {**os.environ, **environ}
    with subprocess.Popen([sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_an_orphan_is_known_by_its_lock_and_its_dead_supervisor() -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    orphan, child = (Inheritance(3, 4, (), "a-boot", pid).to_json() for pid in (dead.pid, os.getpid()))
    with sleeping(**{LAUNCH_VARIABLE: LAUNCH.to_json(), INHERITANCE_VARIABLE: orphan}) as pid:
        assert is_orphan(pid, "the.lock")
        assert not is_orphan(pid, "another.lock")
    with sleeping(**{LAUNCH_VARIABLE: LAUNCH.to_json(), INHERITANCE_VARIABLE: child}) as pid:
        assert not is_orphan(pid, "the.lock"), "its supervisor lives"
    with sleeping(**{LAUNCH_VARIABLE: LAUNCH.to_json()}) as pid:
        assert not is_orphan(pid, "the.lock"), "it is the supervisor"
    assert not is_orphan(dead.pid, "the.lock")


def test_a_supervisor_that_starts_no_second_process_is_known_by_its_environment() -> None:
    for value, expected in (("1", True), ("0", False)):
        with sleeping(**{NO_RESPAWN_VARIABLE: value}) as pid:
            assert never_respawns(pid) is expected
    with sleeping() as pid:
        assert not never_respawns(pid)
