from __future__ import annotations

import socket

import pytest

from xopc.server.wire.transport import READ_BYTES, Plain


@pytest.fixture
def pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return ours, theirs


def test_a_plain_transport_is_its_socket(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    with ours, theirs:
        plain = Plain(ours)
        with pytest.raises(BlockingIOError):
            plain.receive()
        theirs.sendall(b"hello")
        assert plain.receive() == b"hello"
        assert plain.send(b"good day") == 8
        assert theirs.recv(100) == b"good day"
        assert not plain.is_secure


def test_one_read_gives_a_bounded_piece(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    with ours, theirs:
        theirs.sendall(b"x" * (READ_BYTES + 1))
        assert 0 < len(Plain(ours).receive()) <= READ_BYTES


def test_its_farewell_is_that_of_tcp_which_it_leaves_to_others(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    with ours, theirs:
        plain = Plain(ours)
        assert plain.say_farewell()
        plain.send(b"still open")
        assert theirs.recv(100) == b"still open"
        theirs.shutdown(socket.SHUT_WR)
        assert plain.receive() == b""
        assert not plain.is_over, "the end can be read again, and wakes whoever waits for the socket"
