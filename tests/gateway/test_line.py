import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import trio

from xopc.gateway.line import Line, SocketsRefusedError, keep_from_children
from xopc_supervisor.contract import Address, Go


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
    go = Go("respawn", "an update", 12.5)
    supervisor.sendall(f"go {go.to_json()}\nrestart in-process early\nsto".encode())
    assert line.wait_for_go() == go

    async def hear_twice() -> list[object]:
        with trio.fail_after(5):
            first = await line.hear()
            supervisor.sendall(b"p now\n")
            return [first, await line.hear()]

    assert trio.run(hear_twice) == [[("restart", "in-process early")], [("stop", "now")]]


def test_a_supervisor_that_is_gone_does_not_say_go(ends: tuple[Line, socket.socket]) -> None:
    line, supervisor = ends
    supervisor.close()
    assert line.wait_for_go() is None


def test_descriptors_come_with_their_words_and_are_not_passed_on(ends: tuple[Line, socket.socket]) -> None:
    line, supervisor = ends
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        fds = [one.fileno(), two.fileno()]
        supervisor.sendall(b"restart reload early\n")
        socket.send_fds(supervisor, [b"sockets 2\n"], fds)
        addresses = [Address("127.0.0.1", 1), Address("::1", 1, required=False)]
        got = line.ask_for_sockets(addresses)
        assert [each.getsockname() for each in got] == [one.getsockname(), two.getsockname()]
        assert not any(each.get_inheritable() for each in got)
    assert supervisor.recv(100) == b'listen [["127.0.0.1",1,true],["::1",1,false]]\n'
    for each in got:
        each.close()
    assert trio.run(line.hear) == [("restart", "reload early")]


@pytest.mark.parametrize("in_one", [True, False])
def test_a_go_that_comes_before_the_sockets_is_not_lost(ends: tuple[Line, socket.socket], in_one: bool) -> None:
    line, supervisor = ends
    go = Go("crash", "exit code 1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        early = f"go {go.to_json()}\nrestart reload early\n".encode()
        supervisor.sendall(early)
        if not in_one:
            threading.Timer(0.05, socket.send_fds, (supervisor, [b"sockets 1\n"], [listener.fileno()])).start()
        else:
            socket.send_fds(supervisor, [b"sockets 1\n"], [listener.fileno()])
        (got,) = line.ask_for_sockets([Address("127.0.0.1", 1)])
        got.close()
        assert line.wait_for_go() == go
    assert trio.run(line.hear) == [("restart", "reload early")]


def test_descriptors_that_found_no_room_are_told_of(ends: tuple[Line, socket.socket]) -> None:
    line, supervisor = ends
    supervisor.sendall(b"sockets 1\n")
    with pytest.raises(SocketsRefusedError, match="ulimit -n"):
        line.ask_for_sockets([Address("127.0.0.1", 1)])
    assert line.take_fd() is None


def test_a_word_that_is_no_text_is_said_as_well_as_it_can_be(ends: tuple[Line, socket.socket]) -> None:
    line, supervisor = ends
    line.say("failed", "/home/\udcfc/xopc.json")
    assert supervisor.recv(100) == b"failed /home/?/xopc.json\n"


def test_sockets_may_be_refused(ends: tuple[Line, socket.socket]) -> None:
    line, supervisor = ends
    supervisor.sendall(b"refused port 1 at 127.0.0.1 is already in use\n")
    with pytest.raises(SocketsRefusedError, match="is already in use"):
        line.ask_for_sockets([Address("127.0.0.1", 1)])


def test_a_supervisor_that_does_not_answer_is_not_waited_for_for_ever(
    ends: tuple[Line, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    line, _ = ends
    monkeypatch.setattr("xopc.gateway.line.SOCKETS_SECONDS", 0.01)
    with pytest.raises(SocketsRefusedError, match="does not answer"):
        line.ask_for_sockets([Address("127.0.0.1", 1)])


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
