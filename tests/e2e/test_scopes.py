"""Who may do what: every route of the running gateway, asked with each credential."""

from __future__ import annotations

import contextlib
import http.client
import json
import re

from tests.e2e.harness import TOKEN, Gateway
from xopc.contracts.auth import Scope
from xopc.server.api import ROUTES
from xopc.server.routes import Route

GUARDED = [route for route in ROUTES if route.scope is not None]
MALFORMED = "{"
"""A body that is refused after the credential and before anything is done."""


def ask(gateway: Gateway, route: Route, token: str) -> tuple[int, str]:
    """Status and message of what a route answers to a request that changes nothing."""
    path = re.sub(r"\{\w+\}", "nothing-of-this-name", route.path)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    with contextlib.closing(connection):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request(route.method, path, MALFORMED if route.request else None, headers)
        response = connection.getresponse()
        if response.status < 400:
            return response.status, ""  # what it says may be a stream without an end
        return response.status, json.loads(response.read())["error"]["message"]


def test_row_214_the_gateways_own_token_passes_everywhere(gateway: Gateway) -> None:
    assert {route.scope for route in GUARDED} == set(Scope)
    refused = [str(route) for route in GUARDED if ask(gateway, route, TOKEN)[0] in (401, 403)]
    assert refused == []
    assert gateway.health()["generation"] == 1


def test_row_213_a_token_may_do_what_its_scopes_say_and_no_more(gateway: Gateway) -> None:
    tokens = {scope: create(gateway, scope) for scope in Scope}
    assert gateway.xopc("gateway", "restart", "--wait", "30s").returncode == 0
    before = gateway.health()["generation"]
    for held, token in tokens.items():
        for route in GUARDED:
            assert route.scope is not None
            status, message = ask(gateway, route, token)
            if held.includes(route.scope):
                assert status not in (401, 403), f"{held.value}: {route}"
            else:
                assert status == 403, f"{held.value}: {route}"
                assert message == f"Missing required scope: {route.scope.value}"
    assert gateway.health()["generation"] == before


def test_row_213_a_revoked_token_opens_nothing(gateway: Gateway) -> None:
    token = create(gateway, Scope.ADMIN)
    assert gateway.xopc("gateway", "restart", "--wait", "30s").returncode == 0
    assert gateway.request("GET", "/api/status", token=token).status == 200
    assert gateway.xopc("gateway", "token", "revoke", "admin").returncode == 0
    assert gateway.xopc("gateway", "restart", "--wait", "30s").returncode == 0
    assert gateway.request("GET", "/api/status", token=token).status == 401
    assert gateway.request("GET", "/api/status").status == 200


def create(gateway: Gateway, scope: Scope) -> str:
    """A new token with this scope, and the scope's short spelling as its name."""
    name = scope.value.removeprefix("operator.")
    done = gateway.xopc("gateway", "token", "create", "--name", name, "--scope", name, "--plain")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
