"""The descriptor store, with a service manager of the test's own: a socket that hears what is sent."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from xopc_supervisor import store
from xopc_supervisor.contract import Address
from xopc_supervisor.sockets import listen


class Manager:
    """What a manager hears."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def heard(self) -> list[tuple[list[str], list[str]]]:
        """The assignments of each message, and the addresses of the sockets that came with it."""
        messages: list[tuple[list[str], list[str]]] = []
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self._socket, 4096, 8)
            except BlockingIOError:
                return messages
            hosts: list[str] = []
            for fd in fds:
                with socket.socket(fileno=fd) as passed:
                    hosts.append(passed.getsockname()[0])
            messages.append((data.decode().splitlines(), hosts))

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


@pytest.fixture
def first_fd(monkeypatch: pytest.MonkeyPatch) -> int:
    """A number from which on descriptors are free; a real service gets them from 3 on, which the test has in use."""
    fd = 200
    for number in range(fd, fd + 10):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
    monkeypatch.setattr(store, "FIRST_FD", fd)
    return fd


def hand_over(first_fd: int, *fds: int) -> None:
    """What a service manager does before it executes a service."""
    for number, fd in enumerate(fds):
        os.dup2(fd, first_fd + number, inheritable=True)
        os.close(fd)


def variables(count: int | str, names: str = "", pid: int | None = None) -> dict[str, str]:
    return {"LISTEN_PID": str(pid or os.getpid()), "LISTEN_FDS": str(count), "LISTEN_FDNAMES": names, "HOME": "/"}


def test_sockets_are_taken_over_with_their_names_and_are_closed_on_exec(first_fd: int) -> None:
    given = listen([Address("127.0.0.1", 0), Address("127.0.0.2", 0)])
    port = given[0].getsockname()[1]
    hand_over(first_fd, *(each.detach() for each in given))
    environ = variables(2, "one:xopc.socket")
    handed = store.adopt(environ, os.getpid())
    assert [(name, each.getsockname()) for name, each in handed] == [
        ("one", ("127.0.0.1", port)),
        ("xopc.socket", ("127.0.0.2", port)),
    ]
    assert not any(os.get_inheritable(each.fileno()) for _, each in handed)
    assert environ == {"HOME": "/"}, "the next program that this process becomes must not take them for its own"
    store.leave(handed, [])


@pytest.mark.parametrize("count", ["", "none", "-1"])
def test_without_a_count_nothing_is_taken_over(first_fd: int, count: str) -> None:
    assert store.adopt(variables(count), os.getpid()) == []


def test_what_is_meant_for_another_process_stays_where_it_is(first_fd: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        hand_over(first_fd, os.dup(other.fileno()))
        environ = variables(1, pid=os.getppid())
        assert store.adopt(environ, os.getpid()) == []
        assert environ == {"HOME": "/"}
        os.close(first_fd)  # it is still open


def test_fewer_descriptors_than_promised_are_no_error(first_fd: int) -> None:
    (given,) = listen([Address("127.0.0.1", 0)])
    hand_over(first_fd, given.detach())
    handed = store.adopt(variables(1_000_000_000, "one"), os.getpid())
    assert [name for name, _ in handed] == ["one"]
    store.leave(handed, [])


def test_what_is_not_a_socket_is_closed_and_leaves_the_store(first_fd: int, manager: Manager) -> None:
    hand_over(first_fd, os.open(os.devnull, os.O_RDONLY))
    assert store.adopt(variables(1, "notes"), os.getpid()) == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(first_fd)
    assert manager.heard() == [(["FDSTOREREMOVE=1", "FDNAME=notes"], [])]


def test_sockets_that_nobody_wants_are_closed_and_leave_the_store(first_fd: int, manager: Manager) -> None:
    given = listen([Address("127.0.0.1", 0), Address("127.0.0.2", 0)])
    hand_over(first_fd, *(each.detach() for each in given))
    handed = store.adopt(variables(2, "one:two"), os.getpid())
    store.leave(handed, [handed[0].socket])
    assert manager.heard() == [(["FDSTOREREMOVE=1", "FDNAME=two"], [])]
    assert handed[1].socket.fileno() == -1
    handed[0].socket.close()


def test_the_manager_keeps_what_listens_now_under_names_that_it_allows(manager: Manager) -> None:
    listeners = listen([Address("127.0.0.1", 0), Address("::1", 0)])
    port = listeners[0].getsockname()[1]
    names = store.keep(listeners)
    assert manager.heard() == [
        (["FDSTORE=1", f"FDNAME=listen-{port}-127.0.0.1"], ["127.0.0.1"]),
        (["FDSTORE=1", f"FDNAME=listen-{port}-__1"], ["::1"]),
    ]
    assert names == {f"listen-{port}-127.0.0.1", f"listen-{port}-__1"}
    store.keep(listeners[:1], names)
    assert manager.heard() == [
        (["FDSTOREREMOVE=1", f"FDNAME=listen-{port}-__1"], []),
        (["FDSTORE=1", f"FDNAME=listen-{port}-127.0.0.1"], ["127.0.0.1"]),
    ]
    for each in listeners:
        each.close()


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    (listener,) = listen([Address("127.0.0.1", 0)])
    assert len(store.keep([listener], ["another"])) == 1
    listener.close()
