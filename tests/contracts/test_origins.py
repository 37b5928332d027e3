from __future__ import annotations

import pytest

from xopc.contracts.origins import Origin, as_address, is_loopback_host, split_host


@pytest.mark.parametrize(
    ("text", "shown", "port"),
    [
        ("https://desk.example.com", "https://desk.example.com", 443),
        ("HTTPS://Desk.Example.com:443", "https://desk.example.com", 443),
        ("http://desk.example.com:8080/", "http://desk.example.com:8080", 8080),
        ("http://desk.example.com.", "http://desk.example.com", 80),
        ("http://[::1]:18790", "http://[::1]:18790", 18790),
        ("http://[0:0::1]", "http://[::1]", 80),
    ],
)
def test_an_origin_has_one_spelling(text: str, shown: str, port: int) -> None:
    origin = Origin.parse(text)
    assert (str(origin), origin.port) == (shown, port)
    assert Origin.parse(str(origin)) == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "*",
        "desk.example.com",
        "ftp://desk.example.com",
        "https://",
        "https://desk.example.com/path",
        "https://desk.example.com?x=1",
        "https://ann@desk.example.com",
        "https://desk.example.com:0",
        "https://desk.example.com:99999",
        "https://desk example.com",
        "https://[::1",
        "https://[::zz]",
        "https://-desk.example.com",
        "https://desk..example.com",
    ],
)
def test_what_is_no_origin_of_the_web_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  whatever it says
        Origin.parse(text)


def test_a_host_comes_with_the_port_that_it_names() -> None:
    assert split_host("Desk.example.com:8080") == ("desk.example.com", 8080)
    assert split_host("desk") == ("desk", None)
    assert split_host("[::1]:80") == ("::1", 80)


def test_a_mapped_address_is_the_one_that_it_maps() -> None:
    assert str(as_address("::ffff:192.0.2.7")) == "192.0.2.7"
    assert str(as_address("2001:db8::7")) == "2001:db8::7"
    assert as_address("desk.example.com") is None


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("localhost", True),
        ("gateway.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("10.0.0.1", False),
    ],
)
def test_loopback_is_told_by_name_and_by_address(host: str, is_loopback: bool) -> None:
    assert is_loopback_host(host) is is_loopback
