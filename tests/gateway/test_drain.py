import subprocess
import sys
import time

import trio
from trio.testing import MockClock

from xopc.gateway.drain import DRAIN_SECONDS, drain


async def test_what_finishes_in_time_is_waited_for(autojump_clock: MockClock) -> None:
    async def part() -> None:
        await trio.sleep(DRAIN_SECONDS - 0.1)

    began = trio.current_time()
    assert await drain(part)
    assert trio.current_time() - began >= DRAIN_SECONDS - 0.1


async def test_what_does_not_finish_is_cut(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    assert not await drain(trio.sleep_forever)
    assert DRAIN_SECONDS <= trio.current_time() - began < DRAIN_SECONDS + 0.5


async def test_a_stop_cuts_the_drain_of_a_restart_short(autojump_clock: MockClock) -> None:
    cut = trio.Event()

    async def later() -> None:
        await trio.sleep(1)
        cut.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(later)
        began = trio.current_time()
        assert not await drain(trio.sleep_forever, cut=cut)
        assert trio.current_time() - began < 2


def test_a_process_that_does_not_end_is_ended_with_the_code_it_was_given() -> None:
    code = "import time; from xopc.gateway.drain import force_exit; force_exit(75, 0.1); time.sleep(30)"
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 75
    assert time.monotonic() - began < 20


def test_a_process_that_ends_in_time_is_not_held_up_by_the_force() -> None:
    code = "from xopc.gateway.drain import force_exit; force_exit(75, 60)"
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert time.monotonic() - began < 20
