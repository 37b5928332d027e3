from __future__ import annotations

import pytest
from quart_trio import QuartTrio

from tests.fakes.asgi import Answer, ask
from tests.fakes.door import open_door, policy
from tests.fakes.generation import BEARER
from xopc.contracts.settings.file import GatewaySettings
from xopc.server.app import build_app
from xopc.server.door.door import Door
from xopc.server.wire.front import Front
from xopc.server.wire.gate import Gate

PAGE = (b"origin", b"https://desk.example.com")
STRANGER = (b"origin", b"https://evil.example.com")
ASKS = (b"access-control-request-method", b"DELETE")


@pytest.fixture
def door() -> Door:
    return Door(policy(settings=GatewaySettings(cors_origins=("https://desk.example.com",))))


def may_read(answer: Answer) -> bool:
    """Whether a browser lets the page of `PAGE` read it."""
    headers = answer.headers
    assert headers["vary"] == "Origin"
    return headers.get("access-control-allow-origin") == "https://desk.example.com" and (
        headers["access-control-allow-credentials"] == "true"
    )


async def test_row_221_a_preflight_is_answered_before_any_credential(app: QuartTrio) -> None:
    answer = await ask(app, "OPTIONS", "/api/sessions/x", [PAGE, ASKS])
    assert (answer.status, answer.body) == (204, b"")
    assert may_read(answer)
    assert answer.headers["access-control-allow-methods"] == "GET, POST, PUT, PATCH, DELETE, OPTIONS"
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert {"content-type", "authorization", "x-api-key", "x-session-id", "last-event-id"} <= set(allowed)
    assert answer.headers["access-control-max-age"] == "86400"
    assert answer.headers["x-frame-options"] == "DENY"


async def test_a_preflight_of_a_foreign_page_is_refused(app: QuartTrio) -> None:
    answer = await ask(app, "OPTIONS", "/api/status", [STRANGER, ASKS])
    assert (answer.status, answer.error) == (403, ("FORBIDDEN", "Origin not allowed."))
    assert not may_read(answer)


async def test_options_without_a_page_is_a_method_like_others(app: QuartTrio) -> None:
    assert (await ask(app, "OPTIONS", "/api/status")).status == 405
    assert (await ask(app, "OPTIONS", "/api/status", [PAGE])).status == 405


async def test_row_221_a_listed_page_may_read_every_answer_errors_too(app: QuartTrio) -> None:
    for method, path, headers, status in (
        ("GET", "/api/status", [BEARER], 200),
        ("GET", "/api/status", [], 401),
        ("GET", "/api/nothing", [], 404),
        ("DELETE", "/api/status", [], 405),
        ("GET", "/openapi.json", [], 200),
    ):
        answer = await ask(app, method, path, [PAGE, *headers])
        assert answer.status == status
        assert may_read(answer)


async def test_a_foreign_page_may_read_no_answer(app: QuartTrio) -> None:
    for path, status in (("/api/status", 403), ("/openapi.json", 200), ("/nothing", 404)):
        answer = await ask(app, "GET", path, [STRANGER, BEARER])
        assert answer.status == status
        assert not may_read(answer)


async def test_an_answer_to_no_page_says_nothing_of_pages(app: QuartTrio) -> None:
    answer = await ask(app, "GET", "/api/status", [BEARER])
    assert not any(name.startswith("access-control") for name in answer.headers)


async def test_a_listed_page_may_read_the_health(door: Door) -> None:
    app = Front(build_app(Gate(), open_door()), door, lambda: (200, b"{}"))
    assert may_read(await ask(app, "GET", "/health", [PAGE]))  # pyright: ignore[reportArgumentType]  any ASGI application
    assert not may_read(await ask(app, "GET", "/health", [STRANGER]))  # pyright: ignore[reportArgumentType]  as above
