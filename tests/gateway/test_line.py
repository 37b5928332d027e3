import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
import trio

from xopc.gateway.line import Line, keep_from_children


@pytest.fixture
def ends() -> Iterator[tuple[Line, socket.socket]]:
    """The gateway's line, and the supervisor's end of it."""
    ours, theirs = socket.socketpair()
    line = Line(theirs.detach())
    ours.settimeout(5)
    yield line, ours
    ours.close()
    line.close()


def test_a_word_is_said_in_one_line_whatever_its_details_hold(ends: tuple[Line, socket.socket]) -> None:
    line, supervisor = ends
    line.say("restart", "in-process", "a reason\nof two lines")
    line.say("ready")
    assert supervisor.recv(100) == b"restart in-process a reason of two lines\nready\n"


def test_saying_never_waits_and_never_fails(ends: tuple[Line, socket.socket]) -> None:
    line, supervisor = ends
    for _ in range(10_000):
        line.say("alive", "x" * 100)
    supervisor.close()
    line.say("alive")


def test_go_is_waited_for_and_words_after_it_are_kept(ends: tuple[Line, socket.socket]) -> None:
    line, supervisor = ends
    supervisor.sendall(b"go\nrestart in-process early\nsto")
    assert line.wait_for_go()

    async def hear_twice() -> list[object]:
        with trio.fail_after(5):
            first = await line.hear()
            supervisor.sendall(b"p now\n")
            return [first, await line.hear()]

    assert trio.run(hear_twice) == [[("restart", "in-process early")], [("stop", "now")]]


def test_a_supervisor_that_is_gone_does_not_say_go(ends: tuple[Line, socket.socket]) -> None:
    line, supervisor = ends
    supervisor.close()
    assert not line.wait_for_go()


async def test_words_end_with_the_supervisor(ends: tuple[Line, socket.socket]) -> None:
    line, supervisor = ends
    supervisor.sendall(b"restart respawn update\n")
    supervisor.shutdown(socket.SHUT_WR)
    assert await line.hear() == [("restart", "respawn update")]
    assert await line.hear() is None


def test_inherited_descriptors_do_not_reach_programs_that_the_gateway_runs() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    keep_from_children(reader)
    code = f"import os\ntry: os.fstat({reader})\nexcept OSError: print('closed')"
    shown = subprocess.run([sys.executable, "-c", code], close_fds=False, capture_output=True, check=True)
    assert shown.stdout == b"closed\n"
    os.close(reader)
    os.close(writer)
