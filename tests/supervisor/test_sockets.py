import errno
import socket

import pytest

from xopc_supervisor.contract import Address
from xopc_supervisor.sockets import AddressMissingError, PortTakenError, listen


def close(listeners: list[socket.socket]) -> None:
    for listener in listeners:
        listener.close()


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
