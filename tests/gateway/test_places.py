from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from xopc.config.resolve import Flags, Resolved, resolve
from xopc.contracts.errors import ConfigError
from xopc.gateway.line import Line
from xopc.gateway.places import find_places
from xopc_supervisor.contract import Address


@pytest.fixture
def ends() -> Iterator[tuple[Line, socket.socket]]:
    """The gateway's line, and the supervisor's end of it."""
    ours, theirs = socket.socketpair()
    line = Line(theirs.detach())
    ours.settimeout(5)
    yield line, ours
    ours.close()
    line.close()


@pytest.fixture
def resolved(tmp_path: Path) -> Resolved:
    return resolve({"XOPC_HOME": str(tmp_path)}, Flags(port=18999))


def wanted(resolved: Resolved) -> tuple[Address, ...]:
    return resolved.binding.addresses(18999)


def test_sockets_that_are_what_the_configuration_names_are_served_at(
    ends: tuple[Line, socket.socket], resolved: Resolved
) -> None:
    line, supervisor = ends
    with socket.create_server(("127.0.0.1", 0)) as inherited:
        places = find_places(line, wanted(resolved), [inherited], resolved, alone=True)
        assert (places.serving, places.retired, places.problem) == ((inherited,), (), None)
        assert places.addresses == wanted(resolved)
    supervisor.setblocking(False)
    with pytest.raises(BlockingIOError):
        supervisor.recv(1)


def test_other_addresses_are_asked_for_and_those_given_up_are_retired(
    ends: tuple[Line, socket.socket], resolved: Resolved
) -> None:
    line, supervisor = ends
    with (
        socket.create_server(("127.0.0.1", 0)) as old,
        socket.create_server(("127.0.0.1", 0)) as kept,
        socket.create_server(("127.0.0.1", 0)) as new,
    ):
        socket.send_fds(supervisor, [b"sockets 2\n"], [new.fileno(), kept.fileno()])
        inherited = [old.dup(), kept.dup()]
        places = find_places(line, (Address("127.0.0.1", 1),), inherited, resolved, alone=False)
        assert [each.getsockname() for each in places.serving] == [new.getsockname(), kept.getsockname()]
        assert [each.getsockname() for each in places.retired] == [old.getsockname()]
        assert inherited[1].fileno() == -1
        assert places.addresses == wanted(resolved)
    word, _, detail = supervisor.recv(1000).decode().partition(" ")
    assert word == "listen"
    assert json.loads(detail) == [list(address) for address in wanted(resolved)]
    for each in (*places.serving, *places.retired):
        each.close()


def test_a_process_that_another_serves_beside_refuses_what_is_not_to_be_had(
    ends: tuple[Line, socket.socket], resolved: Resolved
) -> None:
    line, supervisor = ends
    supervisor.sendall(b"refused port 18999 at 127.0.0.1 is already in use\n")
    with pytest.raises(ConfigError, match="is already in use") as caught:
        find_places(line, (), [], resolved, alone=False)
    assert caught.value.failure.exit == 78


def test_a_process_that_is_alone_serves_where_it_can(ends: tuple[Line, socket.socket], resolved: Resolved) -> None:
    line, supervisor = ends
    supervisor.sendall(b"refused port 18999 at 127.0.0.1 is already in use\n")
    with socket.create_server(("127.0.0.1", 0)) as inherited:
        places = find_places(line, (Address("127.0.0.1", 1),), [inherited], resolved, alone=True)
        assert (places.serving, places.addresses) == ((inherited,), (Address("127.0.0.1", 1),))
    assert places.problem is not None
    assert "port 18999 at 127.0.0.1 is already in use" in places.problem


@pytest.fixture
def lacking(tmp_path: Path) -> Resolved:
    """A configuration with an address that this host does not have."""
    (tmp_path / ".xopc").mkdir()
    (tmp_path / ".xopc" / "xopc.json").write_text('{"gateway": {"bind": "custom", "customBindHost": "198.51.100.7"}}')
    return resolve({"XOPC_HOME": str(tmp_path)}, Flags(port=18999))


@pytest.mark.parametrize("before", ["127.0.0.1", "0.0.0.0", "127.0.0.2"])
def test_no_address_is_given_up_for_one_that_the_host_lacks(
    ends: tuple[Line, socket.socket], lacking: Resolved, before: str
) -> None:
    bound = (Address(before, 18999),)
    with pytest.raises(ConfigError, match=r"there is no address .* on this host: name one"):
        find_places(ends[0], bound, [], lacking, alone=False)


def test_who_waits_for_an_address_at_loopback_goes_on_with_that(
    ends: tuple[Line, socket.socket], lacking: Resolved
) -> None:
    assert find_places(ends[0], wanted(lacking), [], lacking, alone=False).addresses == wanted(lacking)


@pytest.mark.parametrize(("before", "alone"), [("198.51.100.7", False), ("0.0.0.0", True)])
def test_loopback_is_asked_for_where_the_address_is_lost_or_nobody_serves(
    ends: tuple[Line, socket.socket], lacking: Resolved, before: str, *, alone: bool
) -> None:
    line, supervisor = ends
    with socket.create_server(("127.0.0.1", 0)) as new:
        socket.send_fds(supervisor, [b"sockets 1\n"], [new.fileno()])
        places = find_places(line, (Address(before, 18999),), [], lacking, alone=alone)
        assert (places.addresses[0].host, len(places.serving)) == ("127.0.0.1", 1)
    places.serving[0].close()
