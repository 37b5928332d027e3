from __future__ import annotations

import os
import resource
import sys
from functools import partial
from pathlib import Path

import pytest
import trio

from xopc.contracts.errors import Failure, XopcError
from xopc.storage.lock import POLL_SECONDS, hold_lock


def lock_file(path: Path) -> Path:
    return path.with_name("xopc.db.lock")


async def test_a_second_owner_is_refused_with_the_pid_of_the_first(path: Path) -> None:
    async with hold_lock(path, 0):
        with pytest.raises(XopcError) as raised:
            async with hold_lock(path, 0):
                pass
    assert raised.value.failure is Failure.CONFLICT
    assert raised.value.message == (
        f"The database {path} is in use by process {os.getpid()}, which holds xopc.db.lock beside it. "
        "Stop that gateway, or give this one its own state directory with XOPC_STATE_DIR."
    )


async def test_it_is_free_after_the_release(path: Path) -> None:
    async with hold_lock(path, 0):
        pass
    assert lock_file(path).read_text() == ""
    async with hold_lock(path, 0):
        pass


async def test_the_file_names_its_owner_and_no_former_one(path: Path) -> None:
    await trio.Path(lock_file(path)).write_text("1234567890\n")
    async with hold_lock(path, 0):
        assert lock_file(path).read_text() == f"{os.getpid()}\n"


async def test_a_refusal_leaves_no_descriptor_open(path: Path) -> None:
    async with hold_lock(path, 0):
        before = lowest_free_descriptor()
        with pytest.raises(XopcError):
            async with hold_lock(path, 0.1):
                pass
        assert lowest_free_descriptor() == before


async def test_an_owner_that_ends_in_time_is_waited_for(path: Path, autojump_clock: trio.testing.MockClock) -> None:
    async def hold(*, task_status: trio.TaskStatus[None]) -> None:
        async with hold_lock(path, 0):
            task_status.started()
            await trio.sleep(7.9)

    async with trio.open_nursery() as nursery:
        await nursery.start(hold)
        async with hold_lock(path, 8):
            assert 7.9 <= trio.current_time() <= 7.9 + 2 * POLL_SECONDS


async def test_an_owner_that_stays_is_waited_for_no_longer_than_said(
    path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with hold_lock(path, 0):
        start = trio.current_time()
        with pytest.raises(XopcError):
            async with hold_lock(path, 8):
                pass
        assert 8 <= trio.current_time() - start <= 8 + 2 * POLL_SECONDS


async def test_a_cancelled_wait_takes_nothing(path: Path, autojump_clock: trio.testing.MockClock) -> None:
    async with hold_lock(path, 0):
        with trio.move_on_after(1) as scope:
            async with hold_lock(path, 8):
                pass
        assert scope.cancelled_caught
    async with hold_lock(path, 0):
        pass


async def test_a_killed_owner_holds_nothing(path: Path) -> None:
    program = (
        "import pathlib, sys, trio; from xopc.storage.lock import hold_lock\n"
        "async def main():\n"
        "    async with hold_lock(pathlib.Path(sys.argv[1]), 0):\n"
        "        print(flush=True); await trio.sleep_forever()\n"
        "trio.run(main)"
    )
    readable, writable = os.pipe()
    command = [sys.executable, "-c", program, str(path)]
    async with trio.open_nursery() as nursery, trio.lowlevel.FdStream(readable) as output:
        process = await nursery.start(partial(trio.run_process, command, stdout=writable, check=False))
        os.close(writable)
        await output.receive_some()
        with pytest.raises(XopcError, match=f"in use by process {process.pid},"):
            async with hold_lock(path, 0):
                pass
        process.kill()
        async with hold_lock(path, 8):
            assert lock_file(path).read_text() == f"{os.getpid()}\n"


async def test_a_full_disk_leaves_the_pid_out_but_locks(path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        async with hold_lock(path, 0):
            with pytest.raises(XopcError, match="in use by another process, which holds"):
                async with hold_lock(path, 0):
                    pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_a_lock_file_that_cannot_be_opened_says_so(path: Path) -> None:
    lock_file(path).mkdir()
    with pytest.raises(XopcError, match=r"xopc\.db\.lock cannot be opened: \[Errno 21\] Is a directory") as raised:
        async with hold_lock(path, 0):
            pass
    assert raised.value.failure is Failure.UNAVAILABLE


async def test_a_child_process_does_not_inherit_it(path: Path) -> None:
    async with trio.open_nursery() as nursery:
        async with hold_lock(path, 0):
            child = await nursery.start(partial(trio.run_process, ["sleep", "60"], close_fds=False, check=False))
        async with hold_lock(path, 0):
            assert child.returncode is None
        child.kill()


async def test_the_file_is_its_owners_alone(path: Path) -> None:
    async with hold_lock(path, 0):
        pass
    assert lock_file(path).stat().st_mode & 0o777 == 0o600


def lowest_free_descriptor() -> int:
    descriptor = os.open("/", os.O_RDONLY)
    os.close(descriptor)
    return descriptor
