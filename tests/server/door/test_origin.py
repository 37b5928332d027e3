from __future__ import annotations

import pytest

from xopc.contracts.settings.file import GatewaySettings
from xopc.server.door.client_address import Client
from xopc.server.door.origin import Names, browser_of, machine_names, refused_host

HERE = Client("127.0.0.1", "127.0.0.1", is_local=True)
THERE = Client("192.0.2.7", "192.0.2.7", is_local=False)
PROXIED = Client("192.0.2.7", "192.0.2.7", is_local=False, is_behind_proxy=True)


def names(*bound: str, **settings: object) -> Names:
    made = GatewaySettings(**settings)  # pyright: ignore[reportArgumentType]  any of its attributes
    return Names.of(made, bound or ("127.0.0.1",), 18790, ("workstation", "workstation.local"))


def passes(host: str, known: Names) -> bool:
    return refused_host(host, known) is None


# names of hosts


@pytest.mark.parametrize(
    "host",
    [
        "",
        "127.0.0.1",
        "127.0.0.1:18790",
        "LOCALHOST:18790",
        "localhost.",
        "gateway.localhost",
        "[::1]:18790",
        "192.168.1.20:18790",
        "203.0.113.9",
        "workstation:18790",
        "workstation.local",
        "host.docker.internal:18790",
    ],
)
def test_addresses_and_names_of_this_machine_are_good(host: str) -> None:
    assert passes(host, names())


@pytest.mark.parametrize(
    "host",
    [
        "evil.example.com",
        "evil.example.com:18790",
        "127.0.0.1.example.com",
        "localhost.example.com",
        "workstation.example.com",
        "xopc",
        "127.0.0.1, evil.example.com",
        "evil.example.com, 127.0.0.1",
        "[::1",
        "127.0.0.1:99999",
        "ann@127.0.0.1",
        "b\xc3\xa4r.example.com",
        " ",
    ],
)
def test_a_name_that_a_stranger_may_own_is_refused(host: str) -> None:
    assert not passes(host, names())


def test_the_refusal_says_what_to_do() -> None:
    assert refused_host("Gw.example.com:443", names()) == (
        'The gateway does not go by the name "gw.example.com". If it is yours, add it to gateway.allowedHosts.'
    )


def test_a_name_without_a_dot_is_good_on_a_network_alone() -> None:
    assert passes("xopc:18790", names("0.0.0.0"))
    assert not passes("xopc.example.com", names("0.0.0.0"))


def test_listed_names_are_good_and_those_of_listed_origins() -> None:
    listed = names(allowed_hosts=("Gw.example.com", "*.example.net"), cors_origins=("https://desk.example.org",))
    good = ("gw.example.com", "a.example.net", "a.b.example.net:1", "desk.example.org")
    assert all(passes(host, listed) for host in good)
    assert not any(passes(host, listed) for host in ("example.net", "badexample.net", "x.gw.example.com"))
    assert passes("anything.example.com", names(allowed_hosts=("*",)))


def test_this_machine_has_a_name() -> None:
    found = machine_names()
    assert found
    assert all(name == name.lower() and name for name in found)


# pages


def test_row_209_listed_pages_pass_and_others_do_not() -> None:
    listed = names(cors_origins=("https://desk.example.com", "http://desk.example.com:8080"))
    host = "127.0.0.1:18790"
    assert browser_of("https://desk.example.com", host, THERE, listed) == "https://desk.example.com"
    assert browser_of("HTTPS://Desk.example.com:443", host, THERE, listed) == "https://desk.example.com"
    assert browser_of("http://desk.example.com:8080", host, THERE, listed) is not None
    for origin in ("http://desk.example.com", "https://desk.example.com:8443", "https://evil.example.com", "null", "x"):
        assert browser_of(origin, host, THERE, listed) is None, origin


def test_row_210_a_page_of_the_same_host_passes_near_the_gateway() -> None:
    for client, passed in ((HERE, True), (PROXIED, True), (THERE, False)):
        found = browser_of("http://192.168.1.20:18790", "192.168.1.20:18790", client, names("0.0.0.0"))
        assert (found is not None) is passed
    other_port = browser_of("http://192.168.1.20:8080", "192.168.1.20:18790", PROXIED, names("0.0.0.0"))
    assert other_port is None
    anywhere = names("0.0.0.0", dangerously_allow_host_header_origin_fallback=True)
    assert browser_of("http://192.168.1.20:18790", "192.168.1.20:18790", THERE, anywhere) is not None


def test_behind_tls_the_default_port_is_that_of_the_page() -> None:
    listed = names(allowed_hosts=("gw.example.com",))
    assert browser_of("https://gw.example.com", "gw.example.com", PROXIED, listed) is not None
    assert browser_of("https://gw.example.com", "gw.example.com:80", PROXIED, listed) is None


def test_a_turned_name_is_no_same_host() -> None:
    assert browser_of("http://evil.example.com:18790", "evil.example.com:18790", HERE, names()) is None


def test_row_211_a_page_of_this_machine_passes_at_this_machine() -> None:
    for origin in ("http://localhost:18790", "http://127.0.0.1:3000", "http://[::1]:5173"):
        assert browser_of(origin, "127.0.0.1:18790", HERE, names()) is not None
        assert browser_of(origin, "192.168.1.20:18790", THERE, names("0.0.0.0")) is None


def test_a_page_at_the_bound_address_passes_from_anywhere() -> None:
    bound = names("192.168.1.20")
    assert browser_of("http://192.168.1.20:18790", "192.168.1.20:18790", THERE, bound) is not None
    assert browser_of("http://192.168.1.20:80", "192.168.1.20:18790", THERE, bound) is None


def test_pages_that_a_rule_lets_in_are_one_client() -> None:
    open_to_all = names(cors_origins=("*",))
    host = "127.0.0.1:18790"
    assert len({browser_of(f"https://a{n}.example.com", host, THERE, open_to_all) for n in range(9)}) == 1
    assert len({browser_of(f"http://localhost:{n}", host, HERE, names()) for n in range(1, 9)}) == 1
    turned = [f"192.168.1.{n}:18790" for n in range(9)]
    assert len({browser_of(f"http://{there}", there, PROXIED, names()) for there in turned}) == 1


def test_no_page_hides_where_it_comes_from() -> None:
    assert browser_of("null", "127.0.0.1:18790", HERE, names(cors_origins=("*",))) is None
