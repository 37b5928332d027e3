import os
import signal
import subprocess
from pathlib import Path

from xopc_supervisor.contract import is_alive, is_suspended, start_time


def test_this_process_is_alive_and_a_reused_pid_is_not() -> None:
    started = start_time(os.getpid())
    assert is_alive(os.getpid(), started)
    assert started is not None
    assert not is_alive(os.getpid(), started + 1)


def test_a_process_is_suspended_until_it_is_continued() -> None:
    child = subprocess.Popen(["sleep", "10"])
    try:
        assert not is_suspended(child.pid)
        os.kill(child.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        assert is_suspended(child.pid)
        os.kill(child.pid, signal.SIGCONT)
        os.waitid(os.P_PID, child.pid, os.WCONTINUED)
        assert not is_suspended(child.pid)
    finally:
        child.kill()
        child.wait()
    assert not is_suspended(child.pid)


def test_a_dead_process_and_a_zombie_are_not_alive() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(child.pid, None)
    child.wait()
    assert not is_alive(child.pid, None)
    assert start_time(child.pid) is None


def test_the_start_time_is_found_behind_any_program_name(tmp_path: Path) -> None:
    program = tmp_path / "a) R (b"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([str(program), "10"])
    try:
        assert is_alive(child.pid, start_time(child.pid))
    finally:
        child.kill()
        child.wait()
