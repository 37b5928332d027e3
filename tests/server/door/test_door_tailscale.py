"""Whom the door lets in because Tailscale says who he is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from structlog.testing import capture_logs

from tests.fakes.clock import Clock
from tests.fakes.door import TOKEN, policy
from tests.fakes.tailscale import FakeTailscale
from xopc.contracts.auth import Scope
from xopc.contracts.errors import XopcError
from xopc.contracts.settings.access import AuthSettings
from xopc.contracts.settings.file import GatewaySettings
from xopc.server.door.auth import Principal
from xopc.server.door.door import Door, Knock

HOST = "gateway.tail1234.ts.net"
DEVICE = "100.101.102.103"
OTHER = "100.101.102.104"
WRONG = "another-invented-token-98765"
SETTINGS = GatewaySettings(
    allowed_hosts=(HOST,), auth=AuthSettings(allow_tailscale=True, tailscale_users=("Amy@Example.com",))
)


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Door:
    command = FakeTailscale(tmp_path)
    monkeypatch.setenv("PATH", f"{command.bin}{os.pathsep}{os.environ['PATH']}")
    command.add(DEVICE, "amy@example.com")
    command.add(OTHER, "ben@example.com")
    return Door(policy(settings=SETTINGS), None, Clock())


def knock(peer: str = "127.0.0.1", **headers: str) -> Knock:
    lines = {
        "host": HOST,
        "x-forwarded-for": DEVICE,
        "x-forwarded-host": HOST,
        "x-forwarded-proto": "https",
        "tailscale-user-login": "amy@example.com",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    wire = [(name.encode(), value.encode("latin1")) for name, value in lines.items() if value]
    scope: Any = {"type": "http", "path": "/api/status", "headers": wire, "client": (peer, 50000)}
    return scope


async def outcome(door: Door, asked: Knock) -> int | Principal | None:
    """Who is let in, or the status that the door answers with."""
    visitor = await door.visitor(asked)
    try:
        return door.admit(asked, {}, Scope.ADMIN, visitor=visitor)
    except XopcError as error:
        return error.failure.http.value


async def test_who_is_named_and_vouched_for_needs_no_token(door: Door) -> None:
    assert await outcome(door, knock()) == Principal("tailscale:amy@example.com", Scope.ADMIN)


async def test_who_is_not_named_does(door: Door) -> None:
    assert await outcome(door, knock(x_forwarded_for=OTHER, tailscale_user_login="ben@example.com")) == 401


async def test_a_name_that_is_not_the_device_s_is_refused_and_told(door: Door) -> None:
    with capture_logs() as logs:
        assert await outcome(door, knock(x_forwarded_for=OTHER)) == 401
    assert logs[0]["event"] == "A request claims to be of somebody else than Tailscale says."
    assert (logs[0]["claimed"], logs[0]["login"], logs[0]["client"]) == ("amy@example.com", "ben@example.com", OTHER)


async def test_a_device_that_tailscale_does_not_know_is_refused(door: Door) -> None:
    assert await outcome(door, knock(x_forwarded_for="100.64.0.1")) == 401


async def test_the_same_headers_from_elsewhere_are_worth_nothing(door: Door) -> None:
    assert await outcome(door, knock("192.0.2.7")) == 401
    assert await outcome(door, knock(DEVICE)) == 401


async def test_it_is_off_by_default(door: Door) -> None:
    for auth in (AuthSettings(), AuthSettings(tailscale_users=("amy@example.com",))):
        door.use(policy(settings=evolve(SETTINGS, auth=auth)))
        assert await outcome(door, knock()) == 401


async def test_a_foreign_name_is_refused_first(door: Door) -> None:
    assert await outcome(door, knock(host="evil.example.net")) == 403


async def test_a_foreign_page_is_refused_for_his_browser_sends_the_headers_with_it(door: Door) -> None:
    assert await outcome(door, knock(origin="https://evil.example.net")) == 403
    assert await outcome(door, knock(sec_fetch_site="cross-site")) == 403
    assert await outcome(door, knock(origin="http://localhost:3000")) == 403


async def test_the_gateway_s_own_page_is_let_in(door: Door) -> None:
    assert isinstance(await outcome(door, knock(origin=f"https://{HOST}")), Principal)


async def test_a_credential_that_is_shown_counts_and_not_the_visitor(door: Door) -> None:
    assert await outcome(door, knock(x_api_key=TOKEN)) == Principal("token", Scope.ADMIN)
    assert await outcome(door, knock(x_api_key=WRONG)) == 401


async def test_who_guesses_on_the_machine_does_not_block_a_visitor(door: Door) -> None:
    local = knock(tailscale_user_login="", x_forwarded_for="", x_api_key=WRONG)
    assert [await outcome(door, local) for _ in range(6)] == [401] * 5 + [429]
    assert isinstance(await outcome(door, knock()), Principal)


async def test_a_visitor_who_guesses_is_blocked_as_his_own_device(door: Door) -> None:
    assert [await outcome(door, knock(x_api_key=WRONG)) for _ in range(6)] == [401] * 5 + [429]
    local = knock(tailscale_user_login="", x_forwarded_for="", x_api_key=TOKEN)
    assert isinstance(await outcome(door, local), Principal)


async def test_a_stream_ends_when_its_visitor_is_taken_off_the_list(door: Door) -> None:
    asked = knock()
    is_admitted = door.admission(asked, {}, Scope.READ, visitor=await door.visitor(asked))
    assert is_admitted()
    door.use(
        policy(settings=evolve(SETTINGS, auth=AuthSettings(allow_tailscale=True, tailscale_users=("ben@example.com",))))
    )
    assert not is_admitted()
