"""Connections from one process to the next: both ends of a heirloom, and what may go wrong between them."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Generator
from contextlib import contextmanager

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from xopc.gateway.heirloom import Heirloom, open_heirloom, receive_connections


@pytest.fixture
def ends() -> tuple[int, int]:
    """The giving and the receiving descriptor, as a supervisor passes them on."""
    giving, receiving = socket.socketpair()
    for end in (giving, receiving):
        end.set_inheritable(True)
    return giving.detach(), receiving.detach()


@contextmanager
def connection() -> Generator[tuple[socket.socket, socket.socket]]:
    """The client's end and the server's."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        served, _ = listener.accept()
        with served:
            yield client, served


async def receive(fd: int) -> list[socket.socket]:
    """All that is inside, and comes until the giver ends."""
    received: list[socket.socket] = []
    with trio.fail_after(5):
        await receive_connections(fd, received.append)
    return received


def close(client: socket.socket) -> None:
    client.close()


async def test_a_connection_arrives_alive_with_what_waits_in_it(ends: tuple[int, int]) -> None:
    heirloom = Heirloom(ends[0])
    with connection() as (client, served):
        client.send(b"a request")
        assert heirloom.give(served)
        served.close()
        heirloom.close()
        (received,) = await receive(ends[1])
        with received:
            assert received.recv(100) == b"a request"
            received.send(b"an answer")
            assert client.recv(100) == b"an answer"
            assert received.getpeername() == client.getsockname()


async def test_no_descriptor_of_it_is_left_to_programs_that_the_gateway_runs(ends: tuple[int, int]) -> None:
    heirloom = Heirloom(ends[0])
    with connection() as (_, served):
        served.set_inheritable(True)
        assert heirloom.give(served)
        assert not os.get_inheritable(ends[0])
        received: list[socket.socket] = []
        async with trio.open_nursery() as nursery:
            await nursery.start(receive_connections, ends[1], received.append)
            await wait_all_tasks_blocked(0.01)
            assert not os.get_inheritable(ends[1])
            assert [client.get_inheritable() for client in received] == [False]
            heirloom.close()
        received.pop().close()


async def test_connections_are_handed_out_as_they_come(ends: tuple[int, int]) -> None:
    heirloom = Heirloom(ends[0])
    received: list[socket.socket] = []
    with connection() as (_, one), connection() as (_, other):
        async with trio.open_nursery() as nursery:
            await nursery.start(receive_connections, ends[1], received.append)
            for count, served in enumerate((one, other), 1):
                assert heirloom.give(served)
                await wait_all_tasks_blocked(0.01)
                assert len(received) == count
            heirloom.close()
        for client in received:
            client.close()


async def test_what_is_no_connection_of_tcp_is_closed(ends: tuple[int, int]) -> None:
    """A pipe, a Unix socket, a socket for datagrams, and a message without a descriptor."""
    with socket.socket(fileno=ends[0]) as giving, connection() as (_, served):
        reading, writing = os.pipe()
        ours, theirs = socket.socketpair()
        with ours, theirs, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            giving.send(b"\0")
            socket.send_fds(giving, [b"\0"], [writing, theirs.fileno(), datagrams.fileno(), served.fileno()])
            os.close(writing)
            theirs.close()
            giving.shutdown(socket.SHUT_WR)
            (received,) = await receive(ends[1])
            received.close()
            assert os.read(reading, 1) == b""
            assert ours.recv(1) == b""
        os.close(reading)


async def test_five_hundred_wait_for_a_successor_that_does_not_read_yet_and_a_full_one_declines(
    ends: tuple[int, int],
) -> None:
    heirloom = Heirloom(ends[0])
    count = 0
    with connection() as (_, served), many_descriptors():
        while count < 20_000 and heirloom.give(served):
            count += 1
        assert 500 <= count < 20_000
        heirloom.close()
        with capture_logs() as logs:
            await receive_connections(ends[1], close)
    assert [line["connections"] for line in logs] == [count]


@contextmanager
def many_descriptors() -> Generator[None]:
    """So many may be on their way at once, on Linux, as a process may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_successor_that_is_gone_declines(ends: tuple[int, int]) -> None:
    heirloom = Heirloom(ends[0])
    os.close(ends[1])
    with connection() as (_, served):
        assert not heirloom.give(served)
        heirloom.close()
        assert not heirloom.give(served)
        assert served.fileno() != -1


async def test_a_full_table_of_descriptors_costs_connections_and_nothing_else(ends: tuple[int, int]) -> None:
    heirloom = Heirloom(ends[0])
    with connection() as (client, served):
        heirloom.give(served)
        served.close()
        heirloom.close()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
        try:
            with capture_logs() as logs:
                await receive_connections(ends[1], close)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert client.recv(1) == b""
    assert [line["log_level"] for line in logs] == ["error", "info"]


async def test_whoever_stops_receiving_closes_his_end(ends: tuple[int, int]) -> None:
    heirloom = Heirloom(ends[0])
    async with trio.open_nursery() as nursery:
        await nursery.start(receive_connections, ends[1], close)
        nursery.cancel_scope.cancel()
    with connection() as (_, served):
        assert not heirloom.give(served)
    heirloom.close()


def test_an_heirloom_that_did_not_arrive_takes_nothing() -> None:
    with open_heirloom(None) as give:
        assert give is None


def test_an_heirloom_is_closed_with_its_block() -> None:
    ours, theirs = socket.socketpair()
    with theirs, socket.create_server(("127.0.0.1", 0)) as listener:
        with open_heirloom(ours.detach()) as give:
            assert give is not None
            assert give(listener)
        _, fds, _, _ = socket.recv_fds(theirs, 1, 1)
        os.close(fds[0])
        assert theirs.recv(1) == b""
