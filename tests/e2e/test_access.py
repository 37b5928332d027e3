"""The door and the errors, against the running gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.harness import TOKEN, Gateway, write_config

Start = Callable[..., Gateway]
PASSWORD = "correct horse battery staple"
JSON = {"Content-Type": "application/json"}


def auth(home: Path, **settings: object) -> None:
    write_config(home, {"gateway": {"auth": settings}})


def opens(gateway: Gateway, secret: str) -> bool:
    """Whether the secret opens the door, by either header; both must agree."""
    by_bearer = gateway.request("GET", "/api/status", token=secret).status
    by_key = gateway.request("GET", "/api/status", token=None, headers={"X-Api-Key": secret}).status
    assert by_bearer == by_key
    assert by_bearer in (200, 401)
    return by_bearer == 200


def test_rows_138_139_140_health_needs_no_credential(gateway: Gateway) -> None:
    for path in ("/health", "/api/health"):
        reply = gateway.request("GET", path, token=None)
        assert reply.status == 200
        assert reply.json["status"] == "healthy"
        assert isinstance(reply.json["uptime"], int)
        assert reply.json["pid"] == gateway.process.pid


def test_rows_190_191_192_the_default_is_a_token_by_either_header(gateway: Gateway) -> None:
    reply = gateway.request("GET", "/api/status", token=None)
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert opens(gateway, TOKEN)


@pytest.mark.parametrize("value", [f"bearer {TOKEN}", f"BEARER   {TOKEN}", TOKEN])
def test_row_191_the_word_bearer_is_read_in_any_case_and_may_be_left_out(gateway: Gateway, value: str) -> None:
    assert gateway.request("GET", "/api/status", token=None, headers={"Authorization": value}).status == 200


def test_row_192_two_headers_have_to_agree(gateway: Gateway) -> None:
    assert gateway.request("GET", "/api/status", headers={"X-Api-Key": TOKEN}).status == 200
    assert gateway.request("GET", "/api/status", headers={"X-Api-Key": TOKEN[::-1]}).status == 401


@pytest.mark.parametrize("guess", ["", "x", TOKEN[:-1], TOKEN + "x", "é" * 16, "y" * 10_000])
def test_row_202_wrong_tokens_of_any_length_are_refused(gateway: Gateway, guess: str) -> None:
    reply = gateway.request("GET", "/api/status", token=None, headers={"X-Api-Key": guess.encode().decode("latin-1")})
    assert reply.status == 401


def test_row_193_a_password_travels_the_same_way(home: Path, start: Start) -> None:
    auth(home, mode="password", password=PASSWORD)
    gateway = start()
    assert opens(gateway, PASSWORD)
    assert not opens(gateway, TOKEN)


def test_row_194_mode_none_asks_for_nothing(home: Path, start: Start) -> None:
    auth(home, mode="none")
    assert start().request("GET", "/api/status", token=None).status == 200


def test_row_195_a_token_from_the_environment_is_substituted(home: Path, start: Start) -> None:
    auth(home, token="${XOPC_GATEWAY_TOKEN}")
    gateway = start(XOPC_GATEWAY_TOKEN=TOKEN)
    assert opens(gateway, TOKEN)
    assert not opens(gateway, "${XOPC_GATEWAY_TOKEN}")


def test_row_196_a_password_from_the_environment_is_substituted(home: Path, start: Start) -> None:
    auth(home, mode="password", password="${XOPC_GATEWAY_PASSWORD}")
    gateway = start(XOPC_GATEWAY_PASSWORD=PASSWORD)
    assert opens(gateway, PASSWORD)
    assert not opens(gateway, "${XOPC_GATEWAY_PASSWORD}")


def test_a_secret_that_is_not_in_the_environment_stops_the_start(home: Path, start: Start) -> None:
    auth(home, token="${A_TOKEN_THAT_NOBODY_SET}")
    gateway = start(ready=False)
    assert gateway.wait_until_ended() == 1
    assert "$.gateway.auth.token" in gateway.text
    assert "A_TOKEN_THAT_NOBODY_SET" in gateway.text


def test_row_197_the_environment_overrides_the_mode(home: Path, start: Start) -> None:
    auth(home, mode="none")
    gateway = start(XOPC_GATEWAY_AUTH_MODE="token", XOPC_GATEWAY_TOKEN=TOKEN)
    assert gateway.request("GET", "/api/status", token=None).status == 401


def test_row_198_the_token_may_come_from_the_environment_alone(home: Path, start: Start) -> None:
    write_config(home, {})
    assert opens(start(XOPC_GATEWAY_TOKEN=TOKEN), TOKEN)


def test_row_199_the_password_may_come_from_the_environment_alone(home: Path, start: Start) -> None:
    auth(home, mode="password")
    assert opens(start(XOPC_GATEWAY_PASSWORD=PASSWORD), PASSWORD)


@pytest.mark.parametrize(
    ("settings", "environ"),
    [({"token": TOKEN, "password": PASSWORD}, {}), ({"token": TOKEN}, {"XOPC_GATEWAY_PASSWORD": PASSWORD})],
)
def test_row_200_token_and_password_together_stop_the_start(
    home: Path, start: Start, settings: dict[str, str], environ: dict[str, str]
) -> None:
    auth(home, **settings)
    gateway = start(ready=False, **environ)
    assert gateway.wait_until_ended() == 1
    assert "password" in gateway.text
    assert PASSWORD not in gateway.text
    assert TOKEN not in gateway.text


def test_row_200_a_token_of_the_command_line_excludes_a_password_too(home: Path, start: Start) -> None:
    auth(home, mode="password", password=PASSWORD)
    gateway = start("--token", TOKEN, ready=False)
    assert gateway.wait_until_ended() == 1
    assert "--token and $.gateway.auth.password" in gateway.text


@pytest.mark.parametrize("token", ["change-me-to-a-long-random-token", "x" * 32, "my-secret-token", "fifteen-letters"])
def test_rows_203_204_weak_and_short_tokens_stop_the_start(home: Path, start: Start, token: str) -> None:
    auth(home, token=token)
    gateway = start(ready=False)
    assert gateway.wait_until_ended() == 1
    assert "openssl rand -hex 32" in gateway.text


def test_row_204_sixteen_characters_are_enough(home: Path, start: Start) -> None:
    auth(home, token="sixteen-letters!")
    assert opens(start(), "sixteen-letters!")


def test_the_token_flag_outranks_the_file_and_survives_a_restart(gateway: Gateway, start: Start, home: Path) -> None:
    gateway.kill()
    other = "fedcba9876543210fedcba9876543210"
    second = start("--token", other)
    assert opens(second, other)
    assert not opens(second, TOKEN)
    assert second.xopc("gateway", "restart", "--respawn", "--wait", "30s").returncode == 0
    assert opens(second, other)
    command_line = Path(f"/proc/{second.process.pid}/cmdline").read_bytes()
    assert other.encode() not in command_line, "a secret must not be in the process list"


def test_row_180_every_error_is_the_same_envelope(gateway: Gateway) -> None:
    big = json.dumps({"reason": "x" * 2_000_000})
    replies = [
        (400, gateway.request("POST", "/api/restart", body='{"reason": 7}', headers=JSON)),
        (401, gateway.request("GET", "/api/status", token="wrong")),
        (404, gateway.request("GET", "/api/nothing")),
        (404, gateway.request("GET", "/nothing")),
        (405, gateway.request("DELETE", "/health")),
        (405, gateway.request("POST", "/api/status")),
        (413, gateway.request("POST", "/api/restart", body=big, headers=JSON)),
        (415, gateway.request("POST", "/api/restart", body="reason=x", headers={"Content-Type": "text/plain"})),
    ]
    for status, reply in replies:
        assert reply.status == status, reply.body
        assert set(reply.json) == {"error"}
        assert set(reply.json["error"]) >= {"code", "message"}
        assert reply.headers["Content-Type"].startswith("application/json")
    assert gateway.health()["generation"] == 1


def test_row_186_malformed_json_is_an_invalid_request(gateway: Gateway) -> None:
    reply = gateway.request("POST", "/api/restart", body="{", headers=JSON)
    assert (reply.status, reply.json["error"]["code"]) == (400, "INVALID_REQUEST")


def test_the_reference_is_served_and_lists_every_route(gateway: Gateway) -> None:
    document = gateway.request("GET", "/openapi.json", token=None).json
    assert document["openapi"].startswith("3.1")
    assert {"/health", "/api/health", "/api/status", "/api/tree", "/api/restart"} <= set(document["paths"])


def test_the_tree_is_the_running_one(gateway: Gateway) -> None:
    tree = gateway.request("GET", "/api/tree").json
    assert tree["name"] == "gateway"
    assert {child["name"] for child in tree["children"]} == {
        "storage",
        "room",
        "orders",
        "events",
        "addresses",
        "tls",
        "server",
        "config watcher",
        "generation",
        "alive",
    }
    assert {child["state"] for child in tree["children"]} == {"running"}
    shown = gateway.xopc("gateway", "tree").stdout
    assert "generation" in shown
