from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port
from xopc_supervisor import contract
from xopc_supervisor.child import Child
from xopc_supervisor.contract import Address, Launch, LockInfo
from xopc_supervisor.estate import Estate
from xopc_supervisor.lock import acquire
from xopc_supervisor.manager import Manager
from xopc_supervisor.states import Phase, State


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    launch = Launch(
        config_path=str(tmp_path / "xopc.json"),
        state_dir=str(tmp_path),
        lock_path=str(tmp_path / "gateway.lock"),
        intent_path=str(tmp_path / "intent.json"),
        log_dir=str(tmp_path),
        listen=(Address("127.0.0.1", 0),),
        command=("/nowhere/python",),
        explain_port=("false",),
        version_file=str(tmp_path / "version.py"),
        ready_text="",
        flags={},
    )
    lock = acquire(launch.lock_path, LockInfo(os.getpid(), contract.start_time(os.getpid()), "/x.json", ""))
    listeners = [socket.create_server(("127.0.0.1", 0))]
    yield Estate(launch, lock, listeners, Manager(None))
    lock.release()
    for listener in listeners:
        listener.close()


@pytest.fixture
def child() -> Iterator[tuple[Child, socket.socket]]:
    """A child that is this process, and its own end of the line."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    with ours, theirs:
        yield Child(os.getpid(), "boot-1", ours), theirs


def test_sockets_for_other_addresses_are_bound_and_become_the_gateways_only_with_their_process(
    estate: Estate, child: tuple[Child, socket.socket]
) -> None:
    process, line = child
    before, port = estate.port, free_port()
    old = estate.listeners[0]
    estate.provide_sockets(process, json.dumps([["127.0.0.1", port, True]]))
    words, fds, _, _ = socket.recv_fds(line, 100, 4)
    assert words == b"sockets 1\n"
    with socket.socket(fileno=fds[0]) as got:
        assert got.getsockname()[1] == port
    assert estate.port == before
    estate.move_with(process)
    assert estate.port == port
    assert old.fileno() == -1
    assert estate.launch.listen == (Address("127.0.0.1", port),)


def test_sockets_of_a_process_that_never_served_are_closed(estate: Estate, child: tuple[Child, socket.socket]) -> None:
    process, line = child
    port = free_port()
    estate.provide_sockets(process, json.dumps([["127.0.0.1", port, True]]))
    _, fds, _, _ = socket.recv_fds(line, 100, 4)
    os.close(fds[0])
    estate.give_up_sockets(process)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    assert estate.listeners[0].fileno() >= 0


@pytest.mark.parametrize(
    "wanted", ["{", "17", '[["127.0.0.1"]]', '[["127.0.0.1", 0, true, "from the future"]]', "[[1]]"]
)
def test_addresses_that_are_not_understood_are_refused(
    estate: Estate, child: tuple[Child, socket.socket], wanted: str
) -> None:
    process, line = child
    estate.provide_sockets(process, wanted)
    assert line.recv(1000).startswith(b"refused the supervisor does not understand ")
    assert process.rebound is None


def test_a_port_that_is_taken_is_refused_with_its_name(estate: Estate, child: tuple[Child, socket.socket]) -> None:
    process, line = child
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        estate.provide_sockets(process, json.dumps([["127.0.0.1", port, True]]))
    assert line.recv(1000) == f"refused port {port} at 127.0.0.1 is already in use\n".encode()


def test_the_lock_file_names_the_processes_and_what_is_wrong(
    estate: Estate, child: tuple[Child, socket.socket]
) -> None:
    process, _ = child
    process.version = "1.2.3"
    estate.record(State(Phase.SERVING, problem="it crashed: why"), process, process)
    info = LockInfo.from_json(Path(estate.lock.path).read_text())
    assert info is not None
    assert (info.child_pid, info.candidate_pid, info.boot_id) == (os.getpid(), os.getpid(), "boot-1")
    assert (info.state, info.problem, info.version) == ("serving", "it crashed: why", "1.2.3")
    assert (info.host, info.port) == ("127.0.0.1", estate.port)


def test_a_program_that_is_not_there_is_an_oserror(estate: Estate) -> None:
    with pytest.raises(FileNotFoundError):
        estate.start_process()
