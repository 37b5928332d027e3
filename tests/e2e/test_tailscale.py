"""Through Tailscale Serve to a real gateway: Serve's headers, and a `tailscale` that says who has which address."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.harness import TOKEN, Gateway, until, write_config
from tests.fakes.tailscale import FakeTailscale

HOST = "gateway.tail1234.ts.net"
DEVICE = "100.101.102.103"
SERVE = {
    "Host": HOST,
    "X-Forwarded-For": DEVICE,
    "X-Forwarded-Host": HOST,
    "X-Forwarded-Proto": "https",
    "Tailscale-User-Login": "amy@example.com",
}


def configure(home: Path, **auth: object) -> None:
    write_config(home, {"gateway": {"allowedHosts": [HOST], "auth": {"token": TOKEN, **auth}}})


@pytest.fixture
def served(home: Path, start: Callable[..., Gateway]) -> Gateway:
    configure(home, allowTailscale=True, tailscaleUsers=["amy@example.com"])
    tailscale = FakeTailscale(home)
    tailscale.add(DEVICE, "amy@example.com")
    return start(PATH=f"{tailscale.bin}{os.pathsep}{os.environ['PATH']}")


def status(gateway: Gateway, **changes: str) -> int:
    headers = SERVE | {name.replace("_", "-").title(): value for name, value in changes.items()}
    return gateway.request("GET", "/api/status", token=None, headers=headers).status


def test_who_is_named_and_vouched_for_needs_no_token(served: Gateway) -> None:
    assert status(served) == 200
    assert status(served, tailscale_user_login="ben@example.com") == 401
    assert status(served, x_forwarded_for="100.64.0.1") == 401
    assert served.request("GET", "/api/status", token=None).status == 401


def test_a_change_of_the_configuration_counts_at_once(served: Gateway, home: Path) -> None:
    assert status(served) == 200
    configure(home, allowTailscale=False)
    until(lambda: status(served) == 401, "nobody is let in any more")
    assert served.request("GET", "/api/status").status == 200


def test_a_configuration_that_would_let_in_anybody_is_refused(home: Path, start: Callable[..., Gateway]) -> None:
    configure(home, allowTailscale=True)
    gateway = start(ready=False)
    assert gateway.wait_until_ended() == 1
    assert "$.gateway.auth.allowTailscale: lets in nobody" in gateway.text
