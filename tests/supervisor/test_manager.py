from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from xopc_supervisor.manager import Manager


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What the manager hears."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield manager


def test_it_is_told_how_the_gateway_is(told: socket.socket) -> None:
    manager = Manager(None)
    manager.ready()
    assert told.recv(100) == b"READY=1"
    before = time.monotonic_ns() // 1000
    manager.reloading()
    word, _, clock = told.recv(100).partition(b"\n")
    assert word == b"RELOADING=1"
    assert before <= int(clock.removeprefix(b"MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    manager.stopping()
    assert told.recv(100) == b"STOPPING=1"


def test_a_sign_of_life_is_given_when_it_is_due(told: socket.socket) -> None:
    manager = Manager(2.5)
    begun = manager.next_sign_of_life
    assert begun is not None
    manager.show_life(begun)
    assert told.recv(100) == b"WATCHDOG=1"
    assert manager.next_sign_of_life == begun + 2.5
    manager.show_life(begun + 2.4)
    told.setblocking(False)
    with pytest.raises(BlockingIOError):
        told.recv(100)


def test_one_that_wants_no_signs_of_life_gets_none(told: socket.socket) -> None:
    manager = Manager(None)
    assert manager.next_sign_of_life is None
    manager.show_life(time.monotonic())
    told.setblocking(False)
    with pytest.raises(BlockingIOError):
        told.recv(100)


def test_it_keeps_the_sockets_that_are_the_gateways_and_forgets_the_others(told: socket.socket) -> None:
    manager = Manager(None)
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        manager.keep([one])
        stored, fds, _, _ = socket.recv_fds(told, 1000, 4)
        assert stored.startswith(b"FDSTORE=1\n")
        with socket.socket(fileno=fds[0]) as copy:
            assert copy.getsockname() == one.getsockname()
        manager.keep([two])
        words = b"\n".join(told.recv(1000) for _ in range(2))
        assert b"FDSTOREREMOVE=1" in words
        assert b"FDSTORE=1" in words
