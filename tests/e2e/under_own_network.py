"""In a network of its own: addresses that come and go while the gateway runs.

Not among the tests of `make test`, because it needs root and a machine that lets it make namespaces; `.ci/run` runs it
where that is so.
"""

from __future__ import annotations

import ctypes
import fcntl
import http.client
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import TOKEN, Gateway, until, write_config

Start = Callable[..., Gateway]
WANTED = "192.0.2.7"
PORT = 18790

pytestmark = pytest.mark.timeout(120)  # what is lost is waited for, and what fails is tried again

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
IFF_UP = 1
IP_FREEBIND = 15
LIBC = ctypes.CDLL(None, use_errno=True)


class Network:
    """The network of this thread and of what it starts: a loopback interface, and addresses of it."""

    def __init__(self) -> None:
        self._set("lo", SIOCSIFFLAGS, struct.pack("h", IFF_UP))

    def add(self, address: str) -> None:
        self._set(_name(address), SIOCSIFADDR, _address(address))
        self._set(_name(address), SIOCSIFNETMASK, _address("255.255.255.255"))

    def remove(self, address: str) -> None:
        self._set(_name(address), SIOCSIFFLAGS, struct.pack("h", 0))

    def _set(self, name: str, what: int, value: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, what, struct.pack("16s24s", name.encode(), value))


def _name(address: str) -> str:
    """Of the address's own alias of the interface."""
    return f"lo:{address.rpartition('.')[2]}"


def _address(text: str) -> bytes:
    """A `sockaddr_in`."""
    return struct.pack("HH4s", socket.AF_INET, 0, socket.inet_aton(text))


def _in_network(fd: int | None) -> None:
    """Go to the network of a descriptor, or to a new one."""
    if (LIBC.unshare(CLONE_NEWNET) if fd is None else LIBC.setns(fd, CLONE_NEWNET)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@pytest.fixture
def network() -> Iterator[Network]:
    """A network that has 127.0.0.0/8 and `::1`, and ends with the test."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _in_network(None)
        try:
            yield Network()
        finally:
            _in_network(before)
    finally:
        os.close(before)


def configure(home: Path, **gateway: object) -> None:
    write_config(home, {"gateway": {"port": PORT, "auth": {"token": TOKEN}, **gateway}})


def health(host: str) -> Any:  # noqa: ANN401 - JSON
    """What answers there; None where nobody does."""
    try:
        with closing(http.client.HTTPConnection(host, PORT, timeout=5)) as connection:
            connection.request("GET", "/health")
            return json.load(connection.getresponse())
    except OSError:
        return None


def problems(gateway: Gateway, host: str) -> list[str]:
    told = gateway.request("GET", "/api/status", host=host).json["problems"]
    return [problem["message"] for problem in told]


@pytest.fixture
def run(network: Network, home: Path, start: Start) -> Callable[..., Gateway]:
    """Starts a gateway with these settings, as a service manager does."""

    def run(**gateway: object) -> Gateway:
        configure(home, **gateway)
        return start("--port", str(PORT), XOPC_SERVICE_MARKER="systemd")

    return run


def is_well(host: str) -> bool:
    answer = health(host)
    return answer is not None and (answer["status"], answer["problems"]) == ("healthy", [])


def test_a_custom_address_is_taken_as_soon_as_it_is_there(network: Network, run: Callable[..., Gateway]) -> None:
    gateway = run(bind="custom", customBindHost=WANTED)
    assert (health("127.0.0.1")["status"], health("127.0.0.1")["problems"]) == ("degraded", ["addresses"])
    with closing(http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)) as kept:
        kept.request("GET", "/health")
        kept.getresponse().read()
        network.add(WANTED)
        until(lambda: is_well(WANTED), "it serves there")
        kept.request("GET", "/health")
        assert kept.getresponse().status == 200, "whoever was connected still is"
    assert health("127.0.0.1") is None
    restart = gateway.request("GET", "/api/status", host=WANTED).json["lastRestart"]
    reason = f"the addresses of this host changed: from 127.0.0.1 to {WANTED}"
    assert (restart["kind"], restart["reason"]) == ("respawn", reason)
    assert health(WANTED)["pid"] == gateway.process.pid
    assert gateway.xopc("gateway", "restart", "--wait", "20s").returncode == 0


def test_a_tailnet_is_taken_as_soon_as_it_is_there_and_given_up_when_it_is_gone(
    network: Network, run: Callable[..., Gateway]
) -> None:
    address = "100.101.102.103"
    run(bind="tailnet")
    assert is_well("127.0.0.1"), "to be without a tailnet is no problem"
    network.add(address)
    until(lambda: is_well(address), "it serves there")
    assert health("127.0.0.1") is None
    network.remove(address)
    began = time.monotonic()
    until(lambda: is_well("127.0.0.1"), "loopback stands in", 60)
    assert time.monotonic() - began > 25, "it waits for the address to come back"
    network.add(address)
    until(lambda: is_well(address), "it serves there again")


def test_an_address_that_is_gone_for_a_moment_moves_nothing(network: Network, run: Callable[..., Gateway]) -> None:
    network.add(WANTED)
    gateway = run(bind="custom", customBindHost=WANTED)
    before = health(WANTED)
    network.remove(WANTED)
    until(lambda: f"This host has lost {WANTED}" in gateway.text, "it notices")
    network.add(WANTED)
    until(lambda: is_well(WANTED), "all is well again")
    after = health(WANTED)
    assert (after["bootId"], after["generation"]) == (before["bootId"], before["generation"])


def test_who_does_not_want_to_wait_for_a_lost_address_restarts(network: Network, run: Callable[..., Gateway]) -> None:
    network.add(WANTED)
    gateway = run(bind="custom", customBindHost=WANTED)
    network.remove(WANTED)
    until(lambda: f"This host has lost {WANTED}" in gateway.text, "it notices")
    assert gateway.xopc("gateway", "restart").returncode == 0
    until(lambda: health("127.0.0.1"), "loopback stands in")
    assert "no address 192.0.2.7 on this host" in problems(gateway, "127.0.0.1")[0]
    network.add(WANTED)
    until(lambda: is_well(WANTED), "it serves there again")


def test_a_port_that_somebody_has_at_the_address_that_comes_leaves_all_as_it_is(
    network: Network, run: Callable[..., Gateway]
) -> None:
    gateway = run(bind="custom", customBindHost=WANTED)
    before = health("127.0.0.1")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
        other.bind((WANTED, PORT))
        other.listen()
        network.add(WANTED)
        taken = f"port {PORT} at {WANTED} is already in use"
        until(lambda: any(taken in one for one in problems(gateway, "127.0.0.1")), "it says who is in the way")
        after = health("127.0.0.1")
        assert (after["gatewayPid"], after["status"]) == (before["gatewayPid"], "degraded")
        assert after["problems"] == ["addresses", "hand-over"]
    done = gateway.xopc("gateway", "restart", "--wait", "20s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert is_well(WANTED)
