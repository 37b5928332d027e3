from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from xopc.contracts.settings.file import GatewaySettings
from xopc.server.door.client_address import Client, Proxies, client_of, network_of

NOBODY = Proxies()
PROXIES = Proxies.of(GatewaySettings(trusted_proxies=("10.0.0.0/8", "2001:db8:1::/48", "127.0.0.1")))
HEADERS = ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto"]


def client(peer: str, *headers: tuple[str, str], proxies: Proxies = PROXIES) -> Client:
    return client_of(peer, [(name.encode(), value.encode("latin1")) for name, value in headers], proxies)


def test_without_a_proxy_the_client_is_at_the_other_end() -> None:
    assert client("192.0.2.7") == Client("192.0.2.7", "192.0.2.7", is_local=False)
    assert client("127.0.0.1", proxies=NOBODY).is_local
    assert client("::1").is_local
    assert client("::ffff:127.0.0.1").is_local


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_of_a_stranger_changes_nothing_but_his_standing(name: str) -> None:
    there = client("192.0.2.7", (name, "10.0.0.1"))
    assert (there.address, there.is_behind_proxy, there.is_unheard) == ("192.0.2.7", False, True)
    here = client("127.0.0.1", (name, "127.0.0.1"), proxies=NOBODY)
    assert (here.address, here.is_local, here.is_unheard) == ("127.0.0.1", False, True)


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("198.51.100.1, 192.0.2.7", "192.0.2.7"),
        ("127.0.0.1, 192.0.2.7, 10.0.0.9", "192.0.2.7"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("192.0.2.7:51000", "192.0.2.7"),
        ('"[2001:db8:2::7]:51000"', "2001:db8:2::7"),
        ("fe80::7%eth0", "fe80::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, nonsense", "10.0.0.1"),
        ("", "10.0.0.1"),
        (", ".join(["10.0.0.2"] * 100), "10.0.0.1"),
    ],
)
def test_of_forwarded_addresses_the_last_stranger_counts(forwarded: str, address: str) -> None:
    found = client("10.0.0.1", ("X-Forwarded-For", forwarded))
    assert (found.address, found.is_behind_proxy, found.is_local) == (address, True, False)


def test_a_list_in_several_headers_is_one_list() -> None:
    assert client("10.0.0.1", ("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-For", "10.0.0.2")).address == "192.0.2.7"


def test_a_real_ip_counts_only_where_it_is_asked_for() -> None:
    headers = ("X-Real-IP", "192.0.2.7")
    trusting = Proxies(PROXIES.networks, takes_real_ip=True)
    assert client("10.0.0.1", headers).address == "10.0.0.1"
    assert client("10.0.0.1", headers, proxies=trusting).address == "192.0.2.7"
    assert client("10.0.0.1", headers, ("X-Forwarded-For", "192.0.2.8"), proxies=trusting).address == "192.0.2.8"
    assert client("192.0.2.9", headers, proxies=trusting).address == "192.0.2.9"


def test_a_proxy_that_asks_for_itself_is_a_client() -> None:
    assert client("127.0.0.1") == Client("127.0.0.1", "127.0.0.1", is_local=True)


def test_one_network_of_ipv6_is_one_client() -> None:
    one, other = client("2001:db8:2::7"), client("2001:db8:2:0:ffff::1")
    assert one.network == other.network == "2001:db8:2::/64" == network_of("2001:db8:2::99")
    assert client("2001:db8:2:1::7").network != one.network
    assert network_of("192.0.2.7") == "192.0.2.7"
    with pytest.raises(ValueError, match="address"):
        network_of("desk")


def test_a_peer_without_an_address_is_nobody_in_particular() -> None:
    assert client("") == Client("unknown", "unknown", is_local=False)


@given(
    hops=st.lists(st.ip_addresses().map(str) | st.text(max_size=10), max_size=5),
    peer=st.ip_addresses().map(str),
)
def test_nobody_gets_another_address_by_what_he_writes(hops: list[str], peer: str) -> None:
    header = ", ".join(hops).encode("latin1", "replace")
    alone = client_of(peer, [(b"x-forwarded-for", header)], NOBODY)
    assert alone.network == client_of(peer, [], NOBODY).network
    behind = client_of("10.0.0.1", [(b"x-forwarded-for", header + b", 192.0.2.7")], PROXIES)
    assert behind.address == "192.0.2.7"
