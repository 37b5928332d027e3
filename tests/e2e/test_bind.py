"""Where it listens: the modes, what is refused, and addresses that this machine does not have.

Those that come and go while it runs: `under_own_network.py`.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.e2e.harness import TOKEN, Gateway, until, write_config

Start = Callable[..., Gateway]
NOWHERE = "198.51.100.7"
"""Of a network for examples (RFC 5737): no machine has it."""
LACKING = f"there is no address {NOWHERE} on this host"


def configure(home: Path, **gateway: object) -> None:
    write_config(home, {"gateway": {"auth": {"token": TOKEN}, **gateway}})


def settled(gateway: Gateway) -> Gateway:
    """One that has seen that its file did not change while it started: an edit from now on takes effect when asked."""
    until(lambda: "The gateway is ready." in gateway.text, "the start is over")
    return gateway


def addresses_of_interfaces() -> list[str]:
    """The IPv4 addresses by which others reach this machine."""
    found = (one for addresses in psutil.net_if_addrs().values() for one in addresses)
    return [one.address for one in found if one.family is socket.AF_INET and not one.address.startswith("127.")]


def listens_at(gateway: Gateway, host: str) -> bool:
    try:
        socket.create_connection((host, gateway.port), timeout=5).close()
    except OSError:
        return False
    return True


def test_row_225_only_loopback_listens(gateway: Gateway) -> None:
    assert listens_at(gateway, "127.0.0.1")
    assert [host for host in ("127.0.0.2", *addresses_of_interfaces()) if listens_at(gateway, host)] == []
    addresses = gateway.request("GET", "/api/status").json["addresses"]
    assert addresses[0] == f"127.0.0.1:{gateway.port}"
    assert {address.rpartition(":")[0] for address in addresses} <= {"127.0.0.1", "[::1]"}


@pytest.mark.parametrize(
    ("mode", "environ", "everywhere"),
    [
        ("loopback", {"XOPC_CONTAINER": "1"}, False),
        ("lan", {}, True),
        ("auto", {"XOPC_CONTAINER": "1"}, True),
    ],
)
def test_row_226_the_modes_with_fixed_addresses(
    start: Start, mode: str, environ: dict[str, str], *, everywhere: bool
) -> None:
    gateway = start("--bind", mode, **environ)
    assert gateway.health()["status"] == "healthy"
    others = ("127.0.0.2", *addresses_of_interfaces())
    assert [host for host in others if listens_at(gateway, host)] == (list(others) if everywhere else [])


def test_row_226_tailnet_is_loopback_with_a_warning_where_there_is_none(start: Start) -> None:
    gateway = start("--bind", "tailnet")
    (address, *_) = gateway.request("GET", "/api/status").json["addresses"]
    host = address.rpartition(":")[0]
    warning = "no tailnet address (100.64.0.0/10) on this host; listening at 127.0.0.1 until there is one"
    # A machine with a tailnet, or of a provider that uses its range, has one.
    assert host.startswith("100.") or (host == "127.0.0.1" and f"⚠️  $.gateway.bind: {warning}" in gateway.text)
    health = gateway.request("GET", "/health", token=None, host=host).json
    assert (health["status"], health["problems"]) == ("healthy", [])


@pytest.mark.parametrize("mode", ["x", "0.0.0.0", "LAN", ""])
def test_row_226_another_mode_is_refused_with_those_that_there_are(start: Start, mode: str) -> None:
    gateway = start("--bind", mode, ready=False)
    assert gateway.wait_until_ended() == 1
    assert f'Invalid --bind mode "{mode}". Use: loopback, lan, auto, custom, tailnet.' in gateway.text
    assert gateway.lock_file() is None


def test_row_227_a_custom_address_is_the_only_one(home: Path, start: Start) -> None:
    configure(home, bind="custom", customBindHost="127.0.0.2")
    gateway = start()
    assert gateway.request("GET", "/health", host="127.0.0.2").json["problems"] == []
    assert [host for host in ("127.0.0.1", "127.0.0.3", *addresses_of_interfaces()) if listens_at(gateway, host)] == []
    assert f"URL: http://127.0.0.2:{gateway.port}\n" in gateway.text


@pytest.mark.parametrize(
    ("host", "marker", "code"),
    [("", "", 1), ("localhost", "", 1), ("::1", "", 1), ("224.0.0.1", "", 1), ("example.com", "systemd", 78)],
)
def test_row_227_a_custom_address_that_is_none_is_refused(
    home: Path, start: Start, host: str, marker: str, code: int
) -> None:
    configure(home, bind="custom", customBindHost=host)
    gateway = start(ready=False, XOPC_SERVICE_MARKER=marker)
    assert gateway.wait_until_ended() == code
    assert "$.gateway.customBindHost: gateway.bind=custom requires a valid IPv4 gateway.customBindHost" in gateway.text


def test_row_228_the_older_host_key_is_accepted(home: Path, start: Start) -> None:
    configure(home, host="127.0.0.1")
    assert start().health()["status"] == "healthy"


def test_a_custom_address_that_somebody_has_is_refused_with_who(home: Path, start: Start) -> None:
    with socket.create_server(("127.0.0.2", 0)) as other:
        configure(home, bind="custom", customBindHost="127.0.0.2")
        port = other.getsockname()[1]
        gateway = start("--port", str(port), ready=False)
        assert gateway.wait_until_ended() == 1
    assert f"❌ Port {port} is already in use." in gateway.text
    assert f"pid {os.getpid()}" in gateway.text


def test_a_start_by_hand_at_an_address_that_is_not_there_is_refused_at_once(home: Path, start: Start) -> None:
    configure(home, bind="custom", customBindHost=NOWHERE)
    gateway = start(ready=False)
    assert gateway.wait_until_ended() == 1
    refusal = "gateway.bind=custom requires a valid IPv4 gateway.customBindHost, and "
    assert f"  $.gateway.customBindHost: {refusal}{LACKING}: name one that it has, or set gateway.bind" in gateway.text
    assert gateway.lock_file() is None


@pytest.fixture
def waiting(home: Path, start: Start) -> Gateway:
    """A gateway under a service manager, whose address is not there."""
    configure(home, bind="custom", customBindHost=NOWHERE)
    return settled(start(XOPC_SERVICE_MARKER="systemd"))


def test_under_a_service_manager_it_serves_at_loopback_and_says_what_is_missing(waiting: Gateway) -> None:
    health = waiting.health()
    assert (health["status"], health["problems"]) == ("degraded", ["addresses"])
    (problem,) = waiting.request("GET", "/api/status").json["problems"]
    assert problem["message"] == (
        f"The gateway listens at 127.0.0.1, because {LACKING} ($.gateway.customBindHost). "
        "It moves there as soon as there is one"
    )
    assert problem["message"] in waiting.xopc("gateway", "status").stdout
    assert [host for host in ("127.0.0.2", *addresses_of_interfaces()) if listens_at(waiting, host)] == []


def test_while_it_waits_restarts_respawns_and_crashes_go_as_always(waiting: Gateway) -> None:
    assert waiting.xopc("gateway", "restart", "--wait", "20s").returncode == 0
    assert waiting.xopc("gateway", "restart", "--respawn", "--wait", "20s").returncode == 0
    boot = waiting.boot_id()
    os.kill(waiting.child_pid, signal.SIGKILL)
    until(lambda: waiting.boot_id() not in (boot, None), "another process serves")
    assert waiting.health()["problems"] == ["addresses"]


def test_an_address_that_is_there_after_all_is_moved_to(waiting: Gateway) -> None:
    kept = http.client.HTTPConnection("127.0.0.1", waiting.port, timeout=20)
    kept.request("GET", "/health")
    kept.getresponse().read()
    configure(waiting.home, bind="custom", customBindHost="127.0.0.2")
    done = waiting.xopc("gateway", "restart", "--wait", "20s")
    assert done.returncode == 0, done.stdout + done.stderr
    health = waiting.request("GET", "/health", host="127.0.0.2").json
    assert (health["status"], health["problems"]) == ("healthy", [])
    kept.request("GET", "/health")
    assert kept.getresponse().status == 200, "whoever was connected still is"
    kept.close()
    assert not listens_at(waiting, "127.0.0.1")


def test_no_address_is_given_up_for_one_that_is_not_there(home: Path, start: Start) -> None:
    configure(home, bind="custom", customBindHost="127.0.0.2")
    gateway = settled(start())
    before = gateway.child_pid
    configure(home, bind="custom", customBindHost=NOWHERE)
    done = gateway.xopc("gateway", "restart", "--wait", "20s")
    assert done.returncode == 1
    assert LACKING in done.stderr
    told = {"hand-over", "addresses"}
    until(lambda: set(gateway.request("GET", "/health", host="127.0.0.2").json["problems"]) == told, "both are told")
    assert f"The gateway listens at 127.0.0.2, because there is no address {NOWHERE} on this host" in gateway.text
    health = gateway.request("GET", "/health", host="127.0.0.2").json
    assert (health["gatewayPid"], health["status"]) == (before, "degraded")
    configure(home, bind="loopback")
    done = gateway.xopc("gateway", "restart", "--wait", "20s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert gateway.health()["problems"] == []


def test_a_crash_after_the_address_went_wrong_on_disk_is_followed_at_loopback(home: Path, start: Start) -> None:
    configure(home, bind="custom", customBindHost="127.0.0.2")
    gateway = settled(start())
    configure(home, bind="custom", customBindHost=NOWHERE)
    os.kill(gateway.child_pid, signal.SIGKILL)
    until(lambda: listens_at(gateway, "127.0.0.1") and gateway.health()["status"] == "degraded", "loopback is served")
    assert gateway.health()["problems"] == ["addresses"]


def test_a_port_that_somebody_has_after_a_crash_is_taken_by_a_restart_once_it_is_free(home: Path, start: Start) -> None:
    with socket.create_server(("127.0.0.2", 0)) as other:
        gateway = settled(start("--port", str(other.getsockname()[1])))
        configure(home, bind="custom", customBindHost="127.0.0.2")
        boot = gateway.boot_id()
        os.kill(gateway.child_pid, signal.SIGKILL)
        until(lambda: gateway.boot_id() not in (boot, None), "another process serves")
        (problem,) = gateway.request("GET", "/api/status").json["problems"]
        assert f"port {gateway.port} at 127.0.0.2 is already in use" in problem["message"]
    done = gateway.xopc("gateway", "restart", "--wait", "20s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert gateway.request("GET", "/health", host="127.0.0.2").json["problems"] == []
