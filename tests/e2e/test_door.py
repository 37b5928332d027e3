"""Who may come in, and who is kept out for a while: against the running gateway."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from tests.e2e.harness import TOKEN, Gateway, Reply, until, write_config

Start = Callable[..., Gateway]
LISTED = "https://desk.example.com"
WRONG = "another-invented-token-98765"
READER = "an-invented-token-for-a-reader"


def configure(home: Path, *, auth: dict[str, object] | None = None, **gateway: object) -> None:
    write_config(home, {"gateway": {"auth": {"token": TOKEN, **(auth or {})}, **gateway}})


def get(
    gateway: Gateway, path: str = "/api/status", *, token: str | None = TOKEN, source: str = "127.0.0.1", **headers: str
) -> Reply:
    """A GET from one of this machine's loopback addresses."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20, source_address=(source, 0))
    with contextlib.closing(connection):
        credential = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", path, headers={**credential, **headers})
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())


def statuses(gateway: Gateway, times: int, **how: str) -> list[int]:
    return [get(gateway, token=WRONG, **how).status for _ in range(times)]


# pages


def test_row_209_a_listed_page_passes_and_a_foreign_one_does_not(home: Path, start: Start) -> None:
    configure(home, corsOrigins=[LISTED])
    gateway = start()
    assert get(gateway, Origin=LISTED).status == 200
    refused = get(gateway, Origin="https://evil.example.com")
    assert (refused.status, refused.json["error"]["code"]) == (403, "FORBIDDEN")
    assert refused.json["error"]["message"].startswith("Origin not allowed")
    assert get(gateway, Origin="null").status == 403
    assert "A web page was refused." in gateway.xopc("gateway", "logs").stdout


def test_row_210_a_page_of_the_same_host_passes_from_loopback(gateway: Gateway) -> None:
    assert get(gateway, Origin=f"http://127.0.0.1:{gateway.port}").status == 200
    names = {"Host": f"gateway.localhost:{gateway.port}", "Origin": f"http://gateway.localhost:{gateway.port}"}
    assert get(gateway, **names).status == 200


def test_row_211_a_page_of_this_machine_passes_from_loopback(gateway: Gateway) -> None:
    assert get(gateway, Origin=f"http://localhost:{gateway.port}").status == 200
    assert get(gateway, Origin="http://localhost:3000").status == 200


def test_row_212_without_a_page_the_credential_decides(gateway: Gateway) -> None:
    assert get(gateway).status == 200
    assert get(gateway, token=None).status == 401


def test_row_221_cors_headers_for_listed_pages_alone(home: Path, start: Start) -> None:
    configure(home, corsOrigins=[LISTED])
    gateway = start()
    asks = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    preflight = gateway.request("OPTIONS", "/api/status", token=None, headers={"Origin": LISTED, **asks})
    assert preflight.status == 204
    assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
    for reply in (preflight, get(gateway, Origin=LISTED), get(gateway, token=None, Origin=LISTED)):
        assert reply.headers["Access-Control-Allow-Origin"] == LISTED
        assert reply.headers["Access-Control-Allow-Credentials"] == "true"
    foreign = {"Origin": "https://evil.example.com"}
    assert gateway.request("OPTIONS", "/api/status", token=None, headers={**foreign, **asks}).status == 403
    assert "Access-Control-Allow-Origin" not in get(gateway, **foreign).headers
    assert get(gateway, "/health", token=None, Origin=LISTED).headers["Access-Control-Allow-Origin"] == LISTED


def test_a_name_that_leads_here_by_dns_rebinding_is_refused_even_without_authentication(
    home: Path, start: Start
) -> None:
    write_config(home, {"gateway": {"auth": {"mode": "none"}, "allowedHosts": ["gw.example.com"]}})
    gateway = start()
    turned = f"evil.example.com:{gateway.port}"
    for headers in ({"Host": turned}, {"Host": turned, "Origin": f"http://{turned}"}):
        reply = get(gateway, token=None, **headers)
        assert reply.status == 403
        assert "gateway.allowedHosts" in reply.json["error"]["message"]
    assert get(gateway, token=None, Host="gw.example.com").status == 200
    assert get(gateway, token=None).status == 200


# scopes


def test_row_213_scopes_are_enforced(home: Path, start: Start) -> None:
    entry = {"name": "reader", "sha256": sha256(READER.encode()).hexdigest(), "scopes": ["operator.read"]}
    configure(home, auth={"tokens": [entry]})
    gateway = start()
    assert gateway.request("GET", "/api/status", token=READER).status == 200
    for method, path, scope in (
        ("POST", "/api/message", "operator.write"),
        ("POST", "/api/agent", "operator.write"),
        ("POST", "/api/restart", "operator.admin"),
        ("POST", "/api/auth/unlock", "operator.admin"),
    ):
        reply = gateway.request(method, path, token=READER, body="{}", headers={"Content-Type": "application/json"})
        assert reply.status == 403
        assert reply.json["error"] == {"code": "FORBIDDEN", "message": f"Missing required scope: {scope}"}
    assert gateway.health()["generation"] == 1


# guessing


def test_rows_215_and_216_the_sixth_wrong_one_is_too_many(gateway: Gateway) -> None:
    assert statuses(gateway, 5) == [401] * 5
    reply = get(gateway, token=WRONG)
    assert (reply.status, reply.json["error"]["code"]) == (429, "RATE_LIMITED")
    assert 1 <= int(reply.headers["Retry-After"]) <= 300
    assert reply.json["error"]["retryAfter"] == int(reply.headers["Retry-After"])
    assert get(gateway).status == 429, "blocked for every credential"
    assert get(gateway, token=None).status == 429
    assert get(gateway, "/health", token=None).status == 200


def test_row_219_another_client_is_not_concerned(gateway: Gateway) -> None:
    assert statuses(gateway, 6, source="127.0.0.2") == [401] * 5 + [429]
    assert get(gateway).status == 200
    assert get(gateway, source="127.0.0.2").status == 429


def test_row_218_the_limiter_can_be_switched_off(home: Path, start: Start) -> None:
    configure(home, auth={"rateLimit": {"enabled": False}})
    assert statuses(start(), 20) == [401] * 20


@pytest.mark.parametrize("spelling", ["blockDurationMs", "lockoutMs"])
def test_row_220_window_and_block_are_over_after_their_time(home: Path, start: Start, spelling: str) -> None:
    configure(home, auth={"rateLimit": {"maxAttempts": 2, "windowMs": 1000, spelling: 1000}})
    gateway = start()
    began = time.monotonic()
    assert statuses(gateway, 3) == [401, 401, 429]
    until(lambda: get(gateway).status == 200, "the block is over", 5)
    assert time.monotonic() - began >= 1
    assert statuses(gateway, 1) == [401]
    time.sleep(1.05)  # the window, which nothing tells of
    assert statuses(gateway, 2) == [401, 401], "the first one is no longer counted"


def test_forged_addresses_get_nobody_further(home: Path, start: Start) -> None:
    configure(home, trustedProxies=["127.0.0.9"])
    gateway = start()
    found = [get(gateway, token=WRONG, **{"X-Forwarded-For": f"192.0.2.{number}"}).status for number in range(8)]
    assert found == [401] * 5 + [429] * 3
    behind = {"source": "127.0.0.9", "token": WRONG, "X-Forwarded-For": "198.51.100.1, 192.0.2.7"}
    assert [get(gateway, **behind).status for _ in range(6)] == [401] * 5 + [429]
    other = {**behind, "X-Forwarded-For": "192.0.2.7, 192.0.2.8"}
    assert get(gateway, **other).status == 401
    assert {one["client"] for one in get(gateway, source="127.0.0.3").json["limiter"]["blocked"]} == {
        "127.0.0.1",
        "192.0.2.7",
    }


def test_the_count_outlives_a_restart_in_the_process(gateway: Gateway) -> None:
    statuses(gateway, 4)
    assert gateway.xopc("gateway", "restart", "--wait", "30s").returncode == 0
    # The restart was asked about with the right credential from the same client.
    assert statuses(gateway, 6, source="127.0.0.2") == [401] * 5 + [429]
    assert gateway.xopc("gateway", "restart", "--wait", "30s").returncode == 0
    assert get(gateway, source="127.0.0.2").status == 429


def test_the_owner_sees_who_is_blocked_and_lets_them_in_again(gateway: Gateway) -> None:
    statuses(gateway, 6)
    shown = gateway.xopc("gateway", "status")
    assert shown.returncode == 0, "the command shows the local key, and is not blocked"
    assert "Wrong credentials came from 127.0.0.1" in shown.stdout
    assert "xopc gateway unlock" in shown.stdout
    logged = gateway.xopc("gateway", "logs").stdout
    assert logged.count("A wrong credential was presented") == 5
    assert WRONG not in logged
    assert "client=127.0.0.1" in logged
    assert gateway.xopc("gateway", "unlock", "127.0.0.1").stdout == "✅ Unlocked 127.0.0.1\n"
    assert get(gateway).status == 200
    assert gateway.xopc("gateway", "unlock").stdout == "Nobody was blocked\n"
    key = next((gateway.state / "credentials").iterdir())
    assert key.stat().st_mode & 0o777 == 0o600
