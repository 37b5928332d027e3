from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from xopc_supervisor import orphans
from xopc_supervisor.contract import is_alive

REAPER = """
import json, os, signal, subprocess, sys, time
from xopc_supervisor import orphans

def orphan(code):
    # What starts it ends at once, so that it has no parent.
    words = subprocess.run([sys.executable, "-c", PARENT, code], stdout=subprocess.PIPE, timeout=20)
    return int(words.stdout)

def until(condition):
    deadline = time.monotonic() + 20
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return value

def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True

QUIET = "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True"
PARENT = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', sys.argv[1]], %s).pid)" % QUIET
SLEEP = "import time; time.sleep(60)"
FAMILY = "import subprocess, sys; subprocess.run([sys.executable, '-c', %r], %s)" % (SLEEP, QUIET)
"""


Reaper: TypeAlias = Callable[[str], Any]


@pytest.fixture
def reaper() -> Reaper:
    """Runs a script in a process of its own, which may inherit orphans; returns what it prints as JSON."""

    def run(script: str) -> Any:  # noqa: ANN401 - JSON
        done = subprocess.run(
            [sys.executable, "-c", REAPER + script],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(params=[True, False], ids=["children-file", "scan"])
def kernel(request: pytest.FixtureRequest) -> str:
    """The script's first line, for a kernel that lists children, and for one that does not."""
    return "" if request.param else "orphans.TASKS = '/proc/self/no-such-directory'\n"


def test_an_orphan_in_a_session_of_its_own_is_inherited_and_killed(reaper: Reaper, kernel: str) -> None:
    told = reaper(
        kernel
        + """
assert orphans.become_subreaper()
pid = orphan(SLEEP)
until(lambda: orphans.adopted(()) == [pid])
killed = orphans.kill_adopted(())
until(reap)
print(json.dumps({"pid": pid, "killed": killed, "left": orphans.adopted(())}))
"""
    )
    assert told["killed"] == [told["pid"]]
    assert told["left"] == []
    assert not is_alive(told["pid"], None)


def test_all_that_is_below_an_orphan_dies_with_it(reaper: Reaper, kernel: str) -> None:
    told = reaper(
        kernel
        + """
assert orphans.become_subreaper()
pid = orphan(FAMILY)
until(lambda: orphans.adopted(()) == [pid])
until(lambda: len(orphans._families([pid])) == 2)
killed = orphans.kill_adopted(())
until(reap)
print(json.dumps({"pid": pid, "killed": killed}))
"""
    )
    assert len(told["killed"]) == 2
    assert told["killed"][0] == told["pid"]
    assert not any(is_alive(pid, None) for pid in told["killed"])


def test_children_that_are_known_and_what_is_below_them_live_on(reaper: Reaper, kernel: str) -> None:
    told = reaper(
        kernel
        + """
assert orphans.become_subreaper()
child = subprocess.Popen([sys.executable, "-c", FAMILY], start_new_session=True)
until(lambda: len(orphans._families([child.pid])) == 2)
family = orphans._families([child.pid])
pid = orphan(SLEEP)
until(lambda: orphans.adopted({child.pid}) == [pid])
killed = orphans.kill_adopted({child.pid})
until(lambda: os.waitpid(pid, os.WNOHANG)[0])
from xopc_supervisor.contract import is_alive
living = [member for member in family if is_alive(member, None)]
for member in family:
    os.kill(member, signal.SIGKILL)
child.wait()
print(json.dumps({"pid": pid, "killed": killed, "family": family, "living": living}))
"""
    )
    assert told["killed"] == [told["pid"]]
    assert told["living"] == told["family"]


def test_a_zombie_is_not_adopted_but_left_to_be_reaped(reaper: Reaper) -> None:
    told = reaper(
        """
child = subprocess.Popen(["true"])
os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
print(json.dumps({"adopted": orphans.adopted(()), "killed": orphans.kill_adopted(()), "code": child.wait()}))
"""
    )
    assert told == {"adopted": [], "killed": [], "code": 0}


def test_without_orphans_nobody_is_killed() -> None:
    child = subprocess.Popen(["sleep", "60"])
    known = set(orphans.adopted(()))
    assert child.pid in known
    assert orphans.adopted(known) == orphans.kill_adopted(known) == []
    assert child.poll() is None
    child.kill()
    child.wait()


def test_a_process_of_another_user_is_tried_once_and_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen(["sleep", "60"])
    others = set(orphans.adopted(())) - {child.pid}
    tried: list[int] = []

    def refuse(pid: int, number: int) -> None:
        if number:
            tried.append(pid)
            raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", refuse)
        assert orphans.kill_adopted(others) == []
    assert tried == [child.pid]
    child.kill()
    child.wait()


def test_a_system_without_proc_has_nobody_to_kill(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(orphans, "TASKS", str(tmp_path / "missing"))
    monkeypatch.setattr(orphans, "PROC", str(tmp_path / "missing"))
    child = subprocess.Popen(["sleep", "60"])
    assert orphans.adopted(()) == orphans.kill_adopted(()) == []
    child.kill()
    child.wait()


def test_another_system_has_no_subreapers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not orphans.become_subreaper()


def test_a_python_without_ctypes_inherits_nobody_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctypes", None)
    assert not orphans.become_subreaper()
