"""The new code is tried before the old is given up; a whole renewal is in test_loop.py."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from xopc_supervisor import contract, renew
from xopc_supervisor.child import Child
from xopc_supervisor.contract import Installation, Launch, LockInfo
from xopc_supervisor.lock import Lock, acquire
from xopc_supervisor.renew import Resumption, child_of, installed_version, save, state_of
from xopc_supervisor.states import Candidate, Phase, State

SERVING = State(Phase.SERVING, ready_at=12.5, ever_ready=True, crashes=2, patience=30, problem="it crashed: why")


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[Lock]:
    info = LockInfo(os.getpid(), contract.start_time(os.getpid()), "/etc/xopc.json", "2026-11-20T12:00:00Z")
    held = acquire(str(tmp_path / "gateway.lock"), info)
    yield held
    held.release()


@pytest.fixture
def launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launch:
    launch = Launch(
        config_path=str(tmp_path / "xopc.json"),
        state_dir=str(tmp_path),
        lock_path=str(tmp_path / "gateway.lock"),
        intent_path=str(tmp_path / "intent.json"),
        log_dir=str(tmp_path),
        listen=(),
        command=("false",),
        explain_port=("false",),
        version_file=str(tmp_path / "version.py"),
        ready_text="",
        flags={},
    )
    monkeypatch.setenv(contract.LAUNCH_VARIABLE, launch.to_json())
    return launch


def saved(lock: Lock, state: State = SERVING, child: Child | None = None) -> Resumption:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        restart = ("respawn", "an update")
        return save(
            lock, [listener], child, state, announced=True, down_since=None, restart=restart, foreign_pids=(4711,)
        )


def test_what_is_left_to_the_next_code_comes_through_unchanged(lock: Lock) -> None:
    left = saved(lock)
    again = Resumption.from_json(left.to_json())
    assert again == left
    assert state_of(again) == SERVING


def test_a_state_that_lasts_no_longer_is_not_left(lock: Lock) -> None:
    left = saved(lock, SERVING._replace(candidate=Candidate.PREPARING))
    assert state_of(left) == SERVING


def test_the_child_goes_on_with_its_line(lock: Lock) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        child = Child(os.getpid(), "boot-1", ours)
        child.version = "1.2.3"
        left = saved(lock, child=child)
        fd = os.dup(ours.fileno())
        again = child_of(left._replace(line_fd=fd))
        assert again is not None
        assert (again.pid, again.boot_id, again.version) == (os.getpid(), "boot-1", "1.2.3")
        assert again.tell("restart in-process why")
        assert theirs.recv(100) == b"restart in-process why\n"
        os.close(fd)
        again._line.detach()  # pyright: ignore[reportPrivateUsage] - the test closed it
        ours.close()


def test_where_no_child_runs_none_goes_on(lock: Lock) -> None:
    assert child_of(saved(lock, SERVING._replace(phase=Phase.BACKING_OFF))) is None


def test_fields_that_another_version_left_or_lacks_do_no_harm(lock: Lock) -> None:
    text = saved(lock).to_json().replace('"announced":true', '"announced":true,"from_the_future":1')
    assert Resumption.from_json(text).announced
    with pytest.raises(ValueError, match="hibernating"):
        Resumption.from_json(text.replace('"serving"', '"hibernating"'))


def test_code_that_understands_what_it_is_left_may_take_over(lock: Lock, launched: Launch) -> None:
    assert renew.check(saved(lock), renew.installed(launched)) is None


def test_code_that_does_not_run_is_told_of_with_its_error(
    lock: Lock, launched: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "xopc_supervisor"
    broken.mkdir()
    (broken / "__init__.py").write_text("")
    (broken / "__main__.py").write_text("import a_module_that_was_forgotten")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = renew.installed(launched)
    assert renew.check(saved(lock), code) == "ModuleNotFoundError: No module named 'a_module_that_was_forgotten'"


def test_code_that_hangs_is_not_waited_for(
    lock: Lock, launched: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / "xopc_supervisor"
    hanging.mkdir()
    (hanging / "__init__.py").write_text("")
    (hanging / "__main__.py").write_text("import time; time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert renew.check(saved(lock), renew.installed(launched), 0.3) == "it did not start within 0.3 s"


def test_a_program_that_cannot_be_executed_changes_nothing(
    lock: Lock, launched: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    left, code = saved(lock)._replace(listen_fds=()), renew.installed(launched)
    with pytest.raises(FileNotFoundError):
        renew.replace(left, code, (), [signal.SIGUSR1])
    assert not os.get_inheritable(lock.fd)
    assert signal.SIGUSR1 not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert "no process could be started" in str(renew.check(left, code))


def test_an_ordinary_start_resumes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(renew.VARIABLE, raising=False)
    assert renew.take() is None


def test_what_was_left_is_taken_once_and_is_not_for_children(lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    left = saved(lock)._replace(listen_fds=())
    os.set_inheritable(lock.fd, True)
    monkeypatch.setenv(renew.VARIABLE, left.to_json())
    assert renew.take() == left
    assert not os.get_inheritable(lock.fd)
    assert renew.take() is None


def test_a_check_without_anything_to_read_is_no_start(launched: Launch) -> None:
    command = [sys.executable, "-m", "xopc_supervisor", "gateway", renew.CHECK]
    environ = {**os.environ, contract.LAUNCH_VARIABLE: launched.to_json()}
    assert subprocess.run(command, env=environ, check=False, timeout=30).returncode == 0
    assert not Path(launched.lock_path).exists()


def environment(path: Path, current: Path, version: str) -> Path:
    """An environment that says of itself where the one in use is; the interpreter below `path`."""
    (path / "bin").mkdir(parents=True)
    (path / "bin" / "python").symlink_to(sys.executable)
    (path / "version.py").write_text(f'__version__ = "{version}"\n')
    (path / Installation.NAME).write_text(Installation(str(current), "version.py").to_json())
    return path / "bin" / "python"


def test_the_environment_that_took_the_place_of_the_old_one_is_named_without_its_link(
    tmp_path: Path, launched: Launch
) -> None:
    old = environment(tmp_path / "1.0", tmp_path / "current", "1.0")
    new = environment(tmp_path / "1.1", tmp_path / "current", "1.1")
    (tmp_path / "current").symlink_to("1.1")
    launch = launched._replace(command=(str(old), "-m", "xopc.gateway"), explain_port=(str(old), "-m", "ports"))
    code = renew.installed(launch)
    assert (code.python, code.version) == (str(new), "1.1")
    assert code.launch.command == (str(new), "-m", "xopc.gateway")
    assert code.launch.explain_port == (str(new), "-m", "ports")
    assert code.launch.version_file == str(tmp_path / "1.1" / "version.py")
    assert renew.installed(code.launch).launch == code.launch, "it is the one in use"


@pytest.mark.parametrize("damage", ["bin/python", Installation.NAME])
def test_an_environment_that_is_not_whole_takes_no_place(tmp_path: Path, launched: Launch, damage: str) -> None:
    old = environment(tmp_path / "1.0", tmp_path / "current", "1.0")
    environment(tmp_path / "1.1", tmp_path / "current", "1.1")
    (tmp_path / "current").symlink_to("1.1")
    (tmp_path / "1.1" / damage).unlink()
    launch = launched._replace(command=(str(old),))
    assert renew.installed(launch).launch == launch


def test_without_an_update_the_code_in_use_is_the_running_one(tmp_path: Path, launched: Launch) -> None:
    environment(tmp_path / "1.0", tmp_path / "current", "1.0")
    (tmp_path / "current").symlink_to("1.0")
    launch = launched._replace(command=(str(tmp_path / "1.0" / "bin" / "python3"),))
    assert renew.installed(launch) == renew.Installed(launch, sys.executable, None)


@pytest.mark.parametrize(
    ("text", "version"),
    [('__version__ = "1.2.3"\n', "1.2.3"), ("x = 1\n__version__='2'", "2"), ("", None), ("version = 1", None)],
)
def test_the_installed_version_is_read_from_the_file(tmp_path: Path, text: str, version: str | None) -> None:
    (tmp_path / "file.py").write_text(text)
    assert installed_version(str(tmp_path / "file.py")) == version


def test_a_missing_version_file_tells_nothing(tmp_path: Path) -> None:
    assert installed_version(str(tmp_path / "missing.py")) is None
