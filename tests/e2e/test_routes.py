"""The routes of the running gateway, and what it answers when something is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.e2e.harness import Gateway
from tests.fakes.failing_gateway import SECRET_OF_THE_CODE
from xopc.server.api import ROUTES

Start = Callable[..., Gateway]
FAKES = Path(__file__).parents[1] / "fakes"
LISTED = (
    "POST /api/message",
    "POST /api/message/sync",
    "POST /api/agent",
    "POST /api/sessions",
    "GET /api/sessions",
    "GET /api/sessions/{key}",
    "DELETE /api/sessions/{key}",
    "GET /health",
    "GET /api/health",
    "GET /api/logs",
    "GET /api/events",
    "GET /api/config",
    "PATCH /api/config",
    "GET /api/cron",
    "POST /api/cron/trigger",
    "POST /api/cron/create",
    "DELETE /api/cron/{id}",
    "POST /api/cron/{id}/toggle",
)
"""Of the contract's table, those that there are by now."""
MISSING = "Nothing is served at this path."


def test_row_173_every_listed_route_is_declared() -> None:
    assert set(LISTED) <= {str(route) for route in ROUTES}


def test_row_173_every_route_is_served_and_asks_for_a_credential_where_it_says_so(gateway: Gateway) -> None:
    for route in ROUTES:
        path = route.path.replace("{key}", "main:webchat:default:direct:nobody").replace("{id}", "msg_nobody")
        body = None if route.method == "GET" else json.dumps({"none": "of its keys"})
        headers = {"Content-Type": "application/json"} if body else {}
        stranger = gateway.request(route.method, path, token=None, body=body, headers=headers)
        assert (stranger.status == 401) is (route.scope is not None), route
        if route.frames and route.method == "GET":
            continue  # a stream without an end
        reply = gateway.request(route.method, path, body=body, headers=headers)
        assert reply.status < 500, route
        assert MISSING not in reply.body.decode(), route


def test_row_183_an_unknown_session_is_not_found(gateway: Gateway) -> None:
    for method in ("GET", "DELETE"):
        reply = gateway.request(method, "/api/sessions/main:webchat:default:direct:nobody")
        assert (reply.status, reply.json["error"]["code"]) == (404, "SESSION_NOT_FOUND")


def test_row_185_an_unforeseen_failure_is_told_in_the_log_and_not_to_the_client(start: Start) -> None:
    gateway = start(child=FAKES / "failing_gateway.py")
    reply = gateway.request("GET", "/fail")
    assert (reply.status, reply.json["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert SECRET_OF_THE_CODE not in reply.body.decode()
    assert "Traceback" not in reply.body.decode()
    assert SECRET_OF_THE_CODE in gateway.xopc("gateway", "logs").stdout
    assert gateway.request("GET", "/api/status").status == 200
