from __future__ import annotations

import socket

import pytest

from xopc.server.wire.retired import deafen


def test_those_who_wait_are_still_accepted_and_nobody_else_comes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        waiting = socket.create_connection(address, timeout=5)
        waiting.sendall(b"asked before")
        deafen(listener)
        with pytest.raises(TimeoutError):
            socket.create_connection(address, timeout=0.2)
        waiting.sendall(b", and after")
        accepted, _ = listener.accept()
        with accepted, waiting:
            assert accepted.recv(12) == b"asked before"
            assert accepted.recv(11) == b", and after"
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_whoever_knocked_in_vain_finds_the_socket_that_covers_the_address() -> None:
    with socket.socket() as old, socket.socket() as new, socket.socket() as client:
        for listener in (old, new):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        old.bind(("127.0.0.1", 0))
        port = old.getsockname()[1]
        old.listen()
        new.bind(("0.0.0.0", port))
        new.listen()
        deafen(old)
        client.setblocking(False)
        assert client.connect_ex(("127.0.0.1", port)) != 0
        old.close()
        new.settimeout(5)
        accepted, _ = new.accept()
        accepted.close()
