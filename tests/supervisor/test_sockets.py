import errno
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterable

import pytest

from xopc_supervisor.contract import Address
from xopc_supervisor.sockets import AddressMissingError, PortTakenError, listen

PAIRS = [("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1"), ("::1", "::"), ("::", "::1")]
"""From one address to another that covers the same connections."""


def close(listeners: Iterable[socket.socket]) -> None:
    for listener in listeners:
        listener.close()


def port_of(listener: socket.socket) -> int:
    return listener.getsockname()[1]


def connect(host: str, port: int) -> socket.socket:
    """A connection from this machine to whoever listens at `host`."""
    return socket.create_connection(({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port), timeout=5)


def is_waiting_at(listener: socket.socket) -> bool:
    listener.setblocking(False)
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def another_process_gets(host: str, port: int) -> bool:
    """Whether a process that takes the usual care of a server can listen there."""
    server = "import socket, sys; socket.create_server((sys.argv[1], int(sys.argv[2])), family=int(sys.argv[3]))"
    family = str(int(socket.AF_INET6 if ":" in host else socket.AF_INET))
    command = [sys.executable, "-c", server, host, str(port), family]
    return subprocess.run(command, stderr=subprocess.DEVNULL, timeout=20, check=False).returncode == 0


def test_all_addresses_share_the_port_that_the_kernel_picked_for_the_first() -> None:
    listeners = listen([Address("127.0.0.1", 0), Address("127.0.0.2", 0)])
    first, second = (listener.getsockname() for listener in listeners)
    assert first[1] == second[1] != 0
    with socket.create_connection(second, timeout=5):
        pass
    close(listeners)


def test_a_taken_port_is_named_and_nothing_stays_open() -> None:
    taken = listen([Address("127.0.0.2", 0)])
    port = taken[0].getsockname()[1]
    with pytest.raises(PortTakenError) as raised:
        listen([Address("127.0.0.1", port), Address("127.0.0.2", port)])
    assert (raised.value.host, raised.value.port) == ("127.0.0.2", port)
    close(listen([Address("127.0.0.1", port)]))
    close(taken)


def test_an_address_of_another_machine_is_missing() -> None:
    with pytest.raises(AddressMissingError):
        listen([Address("192.0.2.1", 0)])


def test_an_optional_address_is_left_out_where_it_is_missing() -> None:
    listeners = listen([Address("127.0.0.1", 0), Address("192.0.2.1", 0, required=False)])
    assert len(listeners) == 1
    close(listeners)


def test_an_optional_address_is_left_out_where_somebody_else_listens() -> None:
    with socket.create_server(("127.0.0.2", 0)) as other:
        listeners = listen([Address("127.0.0.1", port_of(other)), Address("127.0.0.2", port_of(other), required=False)])
        assert [one.getsockname()[0] for one in listeners] == ["127.0.0.1"]
        close(listeners)


def test_an_optional_address_is_not_left_out_for_want_of_descriptors() -> None:
    (probe,) = listen([Address("127.0.0.1", 0)])
    first_free = os.dup(probe.fileno())
    os.close(first_free)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            listen(
                [Address("127.0.0.1", port_of(probe)), Address("127.0.0.2", port_of(probe), required=False)], [probe]
            )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        close([probe])


def test_another_error_comes_out_as_it_is() -> None:
    with pytest.raises(OSError) as raised:  # noqa: PT011 - the number is what matters
        listen([Address("not-an-address.invalid", 0)])
    assert raised.value.errno != errno.EADDRINUSE


def test_connections_wait_in_the_backlog_before_anybody_accepts() -> None:
    listeners = listen([Address("127.0.0.1", 0)])
    clients = [socket.create_connection(listeners[0].getsockname(), timeout=5) for _ in range(200)]
    for client in clients:
        client.close()
    close(listeners)


def test_a_kept_socket_is_used_again_with_all_that_wait_at_it() -> None:
    kept = listen([Address("127.0.0.1", 0), Address("127.0.0.2", 0)])
    port = port_of(kept[0])
    with connect("127.0.0.1", port):
        again = listen([Address("127.0.0.1", port), Address("127.0.0.3", port)], kept)
        assert again[0] is kept[0]
        assert [one.getsockname() for one in again] == [("127.0.0.1", port), ("127.0.0.3", port)]
        assert is_waiting_at(again[0])
    with connect("127.0.0.2", port):
        assert is_waiting_at(kept[1]), "it is wanted no more, and is its owner's to close"
    close({*kept, *again})


def test_port_0_is_content_with_any_kept_socket_of_its_host() -> None:
    kept = listen([Address("127.0.0.1", 0), Address("127.0.0.2", 0)])
    assert listen([Address("127.0.0.1", 0), Address("127.0.0.2", 0)], list(reversed(kept))) == kept
    close(kept)


def test_a_socket_that_does_not_listen_is_not_used_again() -> None:
    with socket.socket() as idle, socket.socket(socket.AF_UNIX) as other:
        idle.bind(("127.0.0.1", 0))
        listeners = listen([Address("127.0.0.1", 0)], [idle, other])
        assert port_of(listeners[0]) != port_of(idle)
        close(listeners)


def test_when_one_address_is_not_to_be_had_the_kept_ones_go_on() -> None:
    kept = listen([Address("127.0.0.1", 0)])
    port = port_of(kept[0])
    with pytest.raises(AddressMissingError):
        listen([Address("127.0.0.1", port), Address("127.0.0.2", port), Address("192.0.2.1", port)], kept)
    with connect("127.0.0.1", port):
        assert is_waiting_at(kept[0])
    close(listen([Address("127.0.0.2", port)]))
    close(kept)


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_the_same_port_of_a_covering_address_is_taken_while_the_old_one_listens(before: str, after: str) -> None:
    kept = listen([Address(before, 0)])
    port = port_of(kept[0])
    with connect(before, port):
        listeners = listen([Address(after, port)], kept)
        assert listeners != kept
        for host in (before, after):
            assert not another_process_gets(host, port)
            with pytest.raises(PortTakenError):
                listen([Address(host, port)])
        assert is_waiting_at(kept[0]), "whoever came before waits on"
    close(kept)
    with connect(after, port):
        assert is_waiting_at(listeners[0])
    close(listeners)


def test_a_port_of_another_process_is_not_shared() -> None:
    with socket.create_server(("127.0.0.2", 0)) as other:
        port = port_of(other)
        kept = listen([Address("127.0.0.1", port)])
        with pytest.raises(PortTakenError):
            listen([Address("0.0.0.0", port)], kept)
        assert not another_process_gets("127.0.0.1", port)
        close(kept)
