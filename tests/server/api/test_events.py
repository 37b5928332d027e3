from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import attrs
import pytest
import trio
from quart_trio import QuartTrio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.asgi import EventClient, ask, follow
from tests.fakes.door import open_door
from tests.fakes.generation import BEARER, TOKEN, Generation
from xopc.contracts.settings.file import GatewaySettings, Settings
from xopc.core.hub import MAX_QUEUE, Hub
from xopc.server.app import build_app
from xopc.server.services import Services
from xopc.server.slots import Slots
from xopc.server.wire.gate import Gate


@pytest.fixture
def hub() -> Hub:
    return Hub("b00t")


@pytest.fixture
def services(hub: Hub) -> Services:
    settings = Settings(gateway=GatewaySettings(max_sse_connections=2))
    slots = Slots(settings.gateway.max_sse_connections)
    return attrs.evolve(Generation().services(), hub=hub, settings=settings, event_streams=slots)


@pytest.fixture
def app(services: Services) -> QuartTrio:
    gate = Gate()
    gate.open(services)
    return build_app(gate, open_door())


def listening(app: QuartTrio, query: str = "", *lines: tuple[bytes, bytes]) -> Any:  # noqa: ANN401 - a context manager
    return follow(app, "GET", f"/api/events{query}", [BEARER, *lines])


async def greeted(client: EventClient) -> str:
    """Wait for the first event, and give the subscriber's name."""
    hello = await client.event()
    assert hello.event == "connected"
    return hello.json["sessionId"]


async def test_a_stream_begins_with_connected(app: QuartTrio) -> None:
    async with listening(app) as client:
        hello = await client.event()
    assert (client.status, client.headers["content-type"]) == (200, "text/event-stream")
    assert (hello.id, hello.event) == ("0", "connected")
    assert hello.json == {"sessionId": str(UUID(hello.json["sessionId"]))}


async def test_a_subscriber_may_have_a_name(app: QuartTrio) -> None:
    async with listening(app, "?sessionId=tab-1") as client:
        assert await greeted(client) == "tab-1"
    async with listening(app, "?sessionId=tab-1", (b"x-session-id", b"tab-2")) as client:
        assert await greeted(client) == "tab-2"


async def test_events_have_the_boot_and_their_number_as_id(app: QuartTrio, hub: Hub) -> None:
    async with listening(app) as client:
        await greeted(client)
        hub.publish("message.sent", {"messageId": "m1"})
        hub.publish("agent.stream", {"sessionKey": "s", "runId": "r", "event": {"type": "token", "content": "你"}})
        events = [await client.event() for _ in range(2)]
    assert [(event.id, event.event, event.json) for event in events] == [
        ("b00t-1", "message.sent", {"messageId": "m1"}),
        (
            "b00t-2",
            "agent.stream",
            {"sessionKey": "s", "runId": "r", "event": {"type": "token", "content": "你"}},
        ),
    ]


async def test_an_agent_s_turn_is_among_the_events(talking: QuartTrio) -> None:
    async with listening(talking, "?types=agent.stream") as client:
        await greeted(client)
        answer = await ask(talking, "POST", "/api/agent", [BEARER], b'{"message": "Hello"}')
        event = await client.event()
    assert event.event == "agent.stream"
    assert event.json["runId"] == answer.json["runId"]
    assert event.json["sessionKey"] == answer.json["sessionKey"]
    assert event.json["event"]["type"] == "progress"


async def test_only_the_types_that_were_asked_for_come(app: QuartTrio, hub: Hub) -> None:
    async with listening(app, "?types=a,%20c") as client:
        await greeted(client)
        for kind in ("a", "b", "c"):
            hub.publish(kind, {})
        assert [(await client.event()).event for _ in range(2)] == ["a", "c"]


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("", [(b"last-event-id", b"b00t-1")]),
        ("?lastEventId=b00t-1", []),
        ("?lastEventId=b00t-2", [(b"last-event-id", b"b00t-1")]),
    ],
)
async def test_who_comes_back_gets_what_he_missed(
    app: QuartTrio, hub: Hub, query: str, lines: list[tuple[bytes, bytes]]
) -> None:
    for kind in ("a", "b", "c"):
        hub.publish(kind, {})
    async with listening(app, query, *lines) as client:
        hello = await client.event()
        missed = [await client.event() for _ in range(2)]
    assert (hello.id, hello.event) == ("b00t-1", "connected")
    assert [(event.id, event.event) for event in missed] == [("b00t-2", "b"), ("b00t-3", "c")]


@pytest.mark.parametrize("cursor", ["0", "other-1", "b00t-99", "%0aevent:%20x", "%e4%bd%a0"])
async def test_a_cursor_that_leads_nowhere_gets_resync(app: QuartTrio, hub: Hub, cursor: str) -> None:
    hub.publish("a", {})
    async with listening(app, f"?lastEventId={cursor}") as client:
        await greeted(client)
        resync = await client.event()
    assert (resync.id, resync.event) == ("b00t-1", "resync")


async def test_silence_is_broken_by_a_ping(app: QuartTrio, autojump_clock: MockClock) -> None:
    async with listening(app) as client:
        await greeted(client)
        before = trio.current_time()
        ping = await client.event()
        assert trio.current_time() - before == pytest.approx(15)
    assert (ping.event, ping.data, ping.id) == ("ping", "", None)


async def test_a_token_in_the_query_counts_here(app: QuartTrio) -> None:
    async with follow(app, "GET", f"/api/events?token={TOKEN}") as client:
        await greeted(client)
    for query in ("", "?token=", "?token=an-invented-wrong-token"):
        answer = await ask(app, "GET", f"/api/events{query}")
        assert (answer.status, answer.error[0]) == (401, "UNAUTHORIZED")


async def test_there_is_room_for_so_many(app: QuartTrio, services: Services) -> None:
    async with listening(app) as first, listening(app) as second:
        await greeted(first)
        await greeted(second)
        answer = await ask(app, "GET", "/api/events", [BEARER])
        assert (answer.status, answer.error[0]) == (503, "TOO_MANY_CONNECTIONS")
    await wait_all_tasks_blocked()
    assert services.event_streams.taken == 0
    async with listening(app) as third:
        await greeted(third)


async def test_a_restart_is_told_and_ends_the_stream(app: QuartTrio, hub: Hub) -> None:
    async with listening(app, "?types=message.sent") as client:
        await greeted(client)
        hub.close("a new configuration", 2000)
        events = await client.events()
        assert client.has_ended
    assert [(event.event, event.json) for event in events] == [
        ("shutdown", {"reason": "a new configuration", "restartExpectedMs": 2000})
    ]


async def test_a_subscriber_who_does_not_read_is_closed_and_slows_nobody(app: QuartTrio, hub: Hub) -> None:
    async with listening(app) as client:
        await greeted(client)
        for _ in range(MAX_QUEUE + 1):
            hub.publish("a", {})
        await client.events()
        assert client.has_ended


async def test_an_event_that_json_cannot_carry_does_not_end_the_stream(app: QuartTrio, hub: Hub) -> None:
    async with listening(app) as client:
        await greeted(client)
        hub.publish("odd", {"set": {1}})
        hub.publish("even", {})
        odd, even = [await client.event() for _ in range(2)]
    assert json.loads(odd.data or "")["error"] == "sse_payload_serialize_failed"
    assert even.json == {}
