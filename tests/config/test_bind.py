from __future__ import annotations

import errno
import resource
import socket
from pathlib import Path

import pytest
from attrs import evolve

from xopc.config.bind import (
    Binding,
    Surroundings,
    has_address,
    in_container,
    pick_tailnet_address,
    resolve_binding,
    surroundings,
    tailnet_address,
)
from xopc.config.findings import Findings
from xopc.contracts.settings.file import BindMode, GatewaySettings

BARE_HOST = Surroundings(in_container=lambda: False, tailnet_address=lambda: None, has_address=lambda _: True)
CONTAINER = evolve(BARE_HOST, in_container=lambda: True)
LOCAL = {"127.0.0.1", "192.0.2.6"}
BROADCAST = "255.255.255.255"
LOOPBACK = Binding(BindMode.LOOPBACK, ("127.0.0.1",), ("::1",))


def bound(settings: GatewaySettings, flag: str | None = None, outside: Surroundings = BARE_HOST) -> Binding:
    findings = Findings()
    binding = resolve_binding(settings, flag, outside, findings)
    assert findings == Findings()
    return binding


def refused(settings: GatewaySettings, flag: str | None = None) -> str:
    findings = Findings()
    resolve_binding(settings, flag, BARE_HOST, findings)
    (problem,) = findings.problems
    return str(problem)


def test_the_default_is_loopback() -> None:
    assert bound(GatewaySettings()) == LOOPBACK


def test_lan_is_all_interfaces() -> None:
    assert bound(GatewaySettings(bind=BindMode.LAN)) == Binding(BindMode.LAN, ("0.0.0.0",))


def test_auto_is_all_interfaces_in_a_container_and_loopback_elsewhere() -> None:
    auto = GatewaySettings(bind=BindMode.AUTO)
    assert bound(auto, outside=CONTAINER) == Binding(BindMode.AUTO, ("0.0.0.0",))
    assert bound(auto) == Binding(BindMode.AUTO, ("127.0.0.1",), ("::1",))


def test_loopback_stays_loopback_in_a_container() -> None:
    assert bound(GatewaySettings(), outside=CONTAINER) == LOOPBACK


def test_tailnet_is_the_address_in_the_tailnet() -> None:
    outside = evolve(BARE_HOST, tailnet_address=lambda: "100.101.102.103")
    binding = bound(GatewaySettings(bind=BindMode.TAILNET), outside=outside)
    assert binding == Binding(BindMode.TAILNET, ("100.101.102.103",))


def test_without_a_tailnet_it_is_loopback_and_a_warning() -> None:
    findings = Findings()
    binding = resolve_binding(GatewaySettings(bind=BindMode.TAILNET), None, BARE_HOST, findings)
    assert (binding.hosts, binding.optional_hosts) == (("127.0.0.1",), ("::1",))
    assert binding.lack is not None
    assert not binding.lack.required
    what = "$.gateway.bind: no tailnet address (100.64.0.0/10) on this host"
    assert str(binding.lack.problem) == what
    assert findings.warnings == [f"{what}; listening at 127.0.0.1 until there is one"]


def test_custom_is_the_address_given() -> None:
    settings = GatewaySettings(bind=BindMode.CUSTOM, custom_bind_host="127.0.0.2")
    assert bound(settings) == Binding(BindMode.CUSTOM, ("127.0.0.2",))


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (GatewaySettings(bind=BindMode.CUSTOM, custom_bind_host="192.0.2.7"), "$.gateway.customBindHost"),
        (GatewaySettings(host="192.0.2.7"), "$.gateway.host"),
    ],
)
def test_loopback_stands_in_for_an_address_that_the_host_lacks(settings: GatewaySettings, key: str) -> None:
    binding = bound(settings, outside=evolve(BARE_HOST, has_address=LOCAL.__contains__))
    assert (binding.mode, binding.hosts, binding.optional_hosts) == (BindMode.CUSTOM, ("127.0.0.1",), ("::1",))
    assert binding.lack is not None
    assert (binding.lack.address, binding.lack.required) == ("192.0.2.7", True)
    assert str(binding.lack.problem) == f"{key}: no address 192.0.2.7 on this host"
    assert binding.lack.refusal.path == key
    what = "gateway.bind=custom requires a valid IPv4 gateway.customBindHost, and there is no address 192.0.2.7 on this"
    assert binding.lack.refusal.what.startswith(what)


@pytest.mark.parametrize(
    "host", [None, "", "localhost", "example.com", "::1", "127.1", "256.0.0.1", "010.0.0.1", "224.0.0.1", BROADCAST]
)
def test_custom_without_a_dotted_ipv4_address_is_refused(host: str | None) -> None:
    message = refused(GatewaySettings(bind=BindMode.CUSTOM, custom_bind_host=host))
    assert "gateway.bind=custom requires a valid IPv4 gateway.customBindHost" in message
    assert message.startswith("$.gateway.customBindHost: ")


@pytest.mark.parametrize(
    ("host", "binding"),
    [
        ("127.0.0.1", LOOPBACK),
        ("localhost", LOOPBACK),
        ("LocalHost", LOOPBACK),
        ("::1", LOOPBACK),
        ("", LOOPBACK),
        ("0.0.0.0", Binding(BindMode.LAN, ("0.0.0.0",))),
        ("::", Binding(BindMode.LAN, ("0.0.0.0",))),
        ("127.0.0.2", Binding(BindMode.CUSTOM, ("127.0.0.2",))),
        (" 192.168.1.20 ", Binding(BindMode.CUSTOM, ("192.168.1.20",))),
    ],
)
def test_the_older_host_implies_a_mode(host: str, binding: Binding) -> None:
    assert bound(GatewaySettings(host=host)) == binding


@pytest.mark.parametrize("host", ["example.com", "fe80::1"])
def test_a_host_that_implies_nothing_is_refused(host: str) -> None:
    assert refused(GatewaySettings(host=host)).startswith("$.gateway.host: must be an IPv4 address")


def test_bind_outranks_host_and_says_so_where_they_differ() -> None:
    findings = Findings()
    settings = GatewaySettings(bind=BindMode.LOOPBACK, host="0.0.0.0")
    assert resolve_binding(settings, None, BARE_HOST, findings) == LOOPBACK
    assert findings.warnings == ["$.gateway.host: is ignored, because gateway.bind is set: remove one of them"]
    assert bound(GatewaySettings(bind=BindMode.LOOPBACK, host="127.0.0.1")) == LOOPBACK


@pytest.mark.parametrize("mode", ["loopback", "lan", "auto"])
def test_the_flag_outranks_the_file(mode: str) -> None:
    settings = GatewaySettings(bind=BindMode.CUSTOM, custom_bind_host="not an address", host="example.com")
    assert bound(settings, flag=mode).mode is BindMode(mode)


def test_the_flag_custom_takes_its_address_from_the_file() -> None:
    settings = GatewaySettings(custom_bind_host="127.0.0.2")
    assert bound(settings, flag="custom") == Binding(BindMode.CUSTOM, ("127.0.0.2",))


@pytest.mark.parametrize("flag", ["x", "", "LAN", "0.0.0.0"])
def test_a_wrong_flag_is_refused_with_the_modes_that_there_are(flag: str) -> None:
    message = refused(GatewaySettings(), flag=flag)
    assert message == f'--bind: Invalid --bind mode "{flag}". Use: loopback, lan, auto, custom, tailnet.'


@pytest.mark.parametrize(
    ("environ", "container"),
    [
        ({}, False),
        ({"XOPC_CONTAINER": "1"}, True),
        ({"XOPC_CONTAINER": "0"}, False),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, True),
        ({"KUBERNETES_SERVICE_HOST": ""}, False),
    ],
)
def test_a_container_is_told_by_its_environment(tmp_path: Path, environ: dict[str, str], container: bool) -> None:
    assert in_container(environ, tmp_path / "absent") is container


def test_a_container_is_told_by_docker_s_file(tmp_path: Path) -> None:
    (tmp_path / ".dockerenv").touch()
    assert in_container({}, tmp_path / ".dockerenv")


def test_the_surroundings_are_those_of_the_environment() -> None:
    assert surroundings({"XOPC_CONTAINER": "yes"}).in_container()


@pytest.mark.parametrize(
    ("addresses", "picked"),
    [
        ([], None),
        ([("eth0", "192.168.1.20"), ("lo", "127.0.0.1"), ("eth0", "fe80::1%eth0"), ("eth0", "02:42:ac:11")], None),
        ([("eth0", "100.63.255.255"), ("eth1", "100.128.0.0")], None),
        ([("eth0", "100.64.0.0")], "100.64.0.0"),
        ([("utun3", "100.127.255.255")], "100.127.255.255"),
        ([("ppp0", "100.70.0.1"), ("tailscale0", "100.101.1.1"), ("tailscale1", "100.101.1.2")], "100.101.1.1"),
    ],
)
def test_a_tailnet_address_is_picked_by_its_range_and_its_interface(
    addresses: list[tuple[str, str]], picked: str | None
) -> None:
    assert pick_tailnet_address(addresses) == picked


def test_an_address_is_there_when_one_can_listen_at_it() -> None:
    assert has_address("127.0.0.2")
    assert has_address("0.0.0.0")
    assert not has_address("198.51.100.7"), "of a network for examples, RFC 5737"


def test_an_address_whose_port_may_not_be_used_is_there_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert has_address("127.0.0.1")


def test_without_descriptors_nothing_is_known_of_an_address() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            has_address("127.0.0.1")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_interfaces_of_this_host_can_be_read() -> None:
    address = tailnet_address()
    assert address is None or address.startswith("100.")
