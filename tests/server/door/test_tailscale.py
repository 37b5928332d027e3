"""Who asks through Tailscale Serve: what counts as a claim, and what Tailscale says of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs

from tests.fakes.clock import Clock
from tests.fakes.tailscale import FakeTailscale
from xopc.server.door import tailscale as module
from xopc.server.door.tailscale import MAX_KNOWN, Tailnet, Visitor, claim_of, login_in

DEVICE = "100.101.102.103"
SERVE = {
    "x-forwarded-for": DEVICE,
    "x-forwarded-host": "gateway.tail1234.ts.net",
    "x-forwarded-proto": "https",
    "tailscale-user-login": "Amy@example.com",
    "tailscale-user-name": "Amy",
}
AMY = Visitor("amy@example.com", DEVICE)


def claim(peer: str = "127.0.0.1", *more: tuple[bytes, bytes], **changes: str) -> Visitor | None:
    headers = SERVE | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [(name.encode(), value.encode("latin1")) for name, value in headers.items()]
    return claim_of(peer, [*lines, *more])


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"])
def test_what_serve_sends_from_this_machine_is_a_claim(peer: str) -> None:
    assert claim(peer) == AMY


def test_a_device_may_have_an_address_of_ipv6() -> None:
    assert claim(x_forwarded_for="fd7a:115c:a1e0::7") == Visitor("amy@example.com", "fd7a:115c:a1e0::7")


@pytest.mark.parametrize("peer", ["192.0.2.7", DEVICE, "fd7a:115c:a1e0::7", "", "unix:"])
def test_from_elsewhere_it_is_none(peer: str) -> None:
    assert claim(peer) is None


@pytest.mark.parametrize("name", ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "tailscale-user-login"])
def test_it_needs_each_header_and_each_once(name: str) -> None:
    without = [(key.encode(), value.encode()) for key, value in SERVE.items() if key != name]
    assert claim_of("127.0.0.1", without) is None
    assert claim(**{name: ""}) is None
    assert claim("127.0.0.1", (name.encode(), SERVE[name].encode())) is None
    assert claim(**{name: f"{SERVE[name]}, {SERVE[name]}"}) is None


@pytest.mark.parametrize(
    "address",
    ["203.0.113.9", "127.0.0.1", "100.63.255.255", "100.128.0.1", "fd7a:115c:a1e1::7", "phone", f"{DEVICE}:443"],
)
def test_an_address_outside_of_the_tailnet_is_none(address: str) -> None:
    assert claim(x_forwarded_for=address) is None


def test_what_comes_through_funnel_is_of_nobody() -> None:
    assert claim("127.0.0.1", (b"tailscale-funnel-request", b"?1")) is None


def test_an_endless_login_is_none() -> None:
    assert claim(tailscale_user_login="a" * 400) is None


# --------------------------------------------------------- what Tailscale says


def whois(login: object = "amy@example.com", **node: object) -> bytes:
    return json.dumps({"Node": node, "UserProfile": {"LoginName": login}}).encode()


def test_the_login_of_a_device() -> None:
    assert login_in(whois("Amy@Example.com")) == "amy@example.com"
    assert login_in(whois(Tags=None)) == "amy@example.com"


@pytest.mark.parametrize(
    "answer",
    [b"", b"{}", b"[]", b"null", b"{", b"[" * 100_000, b"\xff", whois(None), whois(7), whois(""), b'{"Node": 7}'],
    ids=lambda answer: answer[:12],
)
def test_an_answer_without_a_login_says_nothing(answer: bytes) -> None:
    assert login_in(answer) is None


def test_a_tagged_device_is_nobody_s_own() -> None:
    assert login_in(whois(Tags=["tag:server"])) is None


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTailscale:
    fake = FakeTailscale(tmp_path)
    monkeypatch.setenv("PATH", f"{fake.bin}{os.pathsep}{os.environ['PATH']}")
    fake.add(DEVICE, "amy@example.com")
    return fake


async def test_the_command_is_asked(command: FakeTailscale) -> None:
    assert await Tailnet().login_of(DEVICE) == "amy@example.com"
    assert command.calls == [["whois", "--json", DEVICE]]


async def test_an_answer_counts_for_a_minute(command: FakeTailscale) -> None:
    clock = Clock()
    tailnet = Tailnet(clock)
    for seconds, asked in ((0, 1), (59, 1), (2, 2)):
        clock.now += seconds
        assert await tailnet.login_of(DEVICE) == "amy@example.com"
        assert len(command.calls) == asked


async def test_an_unknown_device_is_asked_about_again_soon(command: FakeTailscale) -> None:
    clock = Clock()
    tailnet = Tailnet(clock)
    for seconds, asked in ((0, 1), (4, 1), (2, 2)):
        clock.now += seconds
        assert await tailnet.login_of("100.64.0.9") is None
        assert len(command.calls) == asked
    command.add("100.64.0.9", "ben@example.com")
    clock.now += 6
    assert await tailnet.login_of("100.64.0.9") == "ben@example.com"


async def test_many_requests_of_one_device_ask_once(command: FakeTailscale) -> None:
    tailnet = Tailnet()
    found: list[str | None] = []

    async def ask() -> None:
        found.append(await tailnet.login_of(DEVICE))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask)
    assert found == ["amy@example.com"] * 20
    assert len(command.calls) <= module.MAX_QUESTIONS


async def test_no_more_than_so_many_are_remembered(command: FakeTailscale, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KNOWN", 2)
    tailnet = Tailnet()
    for address in (DEVICE, "100.64.0.1", "100.64.0.2", DEVICE):
        await tailnet.login_of(address)
    assert [call[-1] for call in command.calls] == [DEVICE, "100.64.0.1", "100.64.0.2", DEVICE]
    assert MAX_KNOWN > 2


async def test_a_tailscale_that_does_not_answer_is_not_waited_for(
    command: FakeTailscale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WHOIS_SECONDS", 0.3)
    command.hang()
    with capture_logs() as logs, trio.fail_after(10):
        assert await Tailnet().login_of(DEVICE) is None
    assert logs[0]["why"] == "no answer within 0.3 s"


async def test_a_tailscale_that_is_not_there_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    tailnet = Tailnet()
    with capture_logs() as logs:
        assert await tailnet.login_of(DEVICE) is None
        assert await tailnet.login_of("100.64.0.1") is None
    [told] = logs
    assert told["event"] == "Tailscale does not say who asks, so its users need a token."
    assert told["why"] == "No such file or directory"
