"""Those who look from outside see what there is to be seen."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.chaos.observers import LockWatch, descriptors, leaked, owners, processes

HOLDER = """\
import fcntl, sys
with open(sys.argv[1], "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("locked", flush=True)
    input()
"""
TABLE = """\
1: FLOCK  ADVISORY  WRITE 4711 fe:00:101 0 EOF
1: -> FLOCK  ADVISORY  WRITE 4712 fe:00:101 0 EOF
2: POSIX  ADVISORY  READ 4711 fe:00:102 1073741826 1073742335
"""


def test_an_owner_is_who_has_the_lock_and_not_who_waits_for_it() -> None:
    assert list(owners(TABLE)) == [(4711, 101)]


def test_the_watch_sees_a_second_owner_of_a_path_whose_first_file_was_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    watch = LockWatch(path)
    with path.open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        watch.sample()
        assert list(watch.complaints()) == []
        path.unlink()
        second = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert second.stdout is not None
        second.stdout.readline()
        watch.sample()
        second.communicate("\n")
    (complaint,) = watch.complaints()
    assert complaint.startswith("a.lock has 2 owners")


def test_a_watch_that_saw_no_lock_proves_nothing(tmp_path: Path) -> None:
    watch = LockWatch(tmp_path / "a.lock")
    watch.sample()
    (complaint,) = watch.complaints()
    assert "never seen locked" in complaint


def test_a_process_with_the_mark_is_found_until_it_ends(tmp_path: Path) -> None:
    mark = str(tmp_path)
    process = subprocess.Popen(["sleep", "60"], env={**os.environ, "CHAOS_RUN": mark})
    assert list(processes(mark).items()) == [(process.pid, "sleep 60")]
    process.kill()
    process.wait()
    assert processes(mark) == {}


def test_a_descriptor_that_is_not_closed_is_a_leak(tmp_path: Path) -> None:
    before = descriptors(os.getpid())
    assert leaked(os.getpid(), before, 0).total() == 0
    with (tmp_path / "kept").open("w"):
        assert leaked(os.getpid(), before, 0, seconds=0.1).total() == 1
