from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from quart_trio import QuartTrio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.asgi import Event, EventClient, ask, follow
from tests.fakes.door import open_door
from tests.fakes.generation import BEARER, TOKEN, Generation
from xopc.contracts.settings.file import GatewaySettings, Settings
from xopc.core.hub import Hub
from xopc.core.logs.level import LevelSwitch
from xopc.server.app import build_app
from xopc.server.services import Logs, Services
from xopc.server.slots import Slots
from xopc.server.wire.gate import Gate


@pytest.fixture
def hub() -> Hub:
    return Hub("b00t")


@pytest.fixture
def services(hub: Hub, tmp_path: Path) -> Services:
    settings = Settings(gateway=GatewaySettings(max_sse_connections=2))
    logs = Logs(tmp_path, LevelSwitch())
    slots = Slots(settings.gateway.max_sse_connections)
    return attrs.evolve(Generation().services(), hub=hub, settings=settings, event_streams=slots, logs=logs)


@pytest.fixture
def app(services: Services) -> QuartTrio:
    gate = Gate()
    gate.open(services)
    return build_app(gate, open_door())


def write(directory: Path, *messages: str, day: int = 1, level: str = "info") -> None:
    with (directory / f"app-2026-01-{day:02}.log").open("a") as file:
        file.writelines(
            json.dumps({"timestamp": "2026-01-01T12:00:00.000Z", "level": level, "message": message}) + "\n"
            for message in messages
        )


def listening(app: QuartTrio, query: str = "", *lines: tuple[bytes, bytes]) -> Any:  # noqa: ANN401 - a context manager
    return follow(app, "GET", f"/api/logs/stream{query}", [BEARER, *lines])


async def greeted(client: EventClient) -> Event:
    hello = await client.event()
    assert hello.event == "connected"
    return hello


async def logged(client: EventClient) -> str:
    event = await client.event()
    assert event.event == "log", event
    return event.json["message"]


async def test_new_lines_come_as_they_are_written_through_midnight(app: QuartTrio, tmp_path: Path) -> None:
    write(tmp_path, "before")
    async with listening(app) as client:
        await greeted(client)
        assert (client.status, client.headers["content-type"]) == (200, "text/event-stream")
        write(tmp_path, "a")
        event = await client.event()
        assert event.json == {"timestamp": "2026-01-01T12:00:00.000Z", "level": "info", "message": "a"}
        write(tmp_path, "b")
        write(tmp_path, "c", day=2)
        assert [await logged(client), await logged(client)] == ["b", "c"]


async def test_the_filters_are_those_of_the_list(app: QuartTrio, tmp_path: Path) -> None:
    async with listening(app, "?level=error&q=YES") as client:
        await greeted(client)
        write(tmp_path, "yes, but no error", "no")
        write(tmp_path, "an error, yes", level="error")
        assert await logged(client) == "an error, yes"


async def test_a_query_that_is_wrong_is_refused(app: QuartTrio) -> None:
    answer = await ask(app, "GET", "/api/logs/stream?level=loud", [BEARER])
    assert answer.status == 400
    assert answer.error[1].startswith("?level: ")


@pytest.mark.parametrize("in_query", [False, True])
async def test_who_comes_back_gets_what_he_missed(app: QuartTrio, tmp_path: Path, in_query: bool) -> None:
    write(tmp_path, "before")
    async with listening(app) as client:
        await greeted(client)
        write(tmp_path, "a", "b")
        last_id = (await client.event()).id
        assert last_id is not None
    write(tmp_path, "c")
    query = f"?lastEventId={last_id}" if in_query else ""
    lines = () if in_query else ((b"last-event-id", last_id.encode()),)
    async with listening(app, query, *lines) as client:
        assert (await greeted(client)).id == last_id
        assert [await logged(client), await logged(client)] == ["b", "c"]


@pytest.mark.parametrize("last_id", ["b00t-1", "%0aevent:%20x", "%e4%bd%a0"])
async def test_an_id_that_leads_nowhere_gets_resync(app: QuartTrio, tmp_path: Path, last_id: str) -> None:
    write(tmp_path, "before")
    async with listening(app, f"?lastEventId={last_id}") as client:
        await greeted(client)
        assert (await client.event()).event == "resync"
        write(tmp_path, "new")
        assert await logged(client) == "new"


async def test_a_token_in_the_query_counts_here(app: QuartTrio) -> None:
    async with follow(app, "GET", f"/api/logs/stream?token={TOKEN}") as client:
        await greeted(client)
    answer = await ask(app, "GET", "/api/logs/stream?token=an-invented-wrong-token")
    assert (answer.status, answer.error[0]) == (401, "UNAUTHORIZED")


async def test_the_limit_is_that_of_all_event_streams(app: QuartTrio, services: Services) -> None:
    async with listening(app) as first, follow(app, "GET", "/api/events", [BEARER]) as second:
        await greeted(first)
        await greeted(second)
        for path in ("/api/logs/stream", "/api/events"):
            answer = await ask(app, "GET", path, [BEARER])
            assert (answer.status, answer.error[0]) == (503, "TOO_MANY_CONNECTIONS")
    await wait_all_tasks_blocked()
    assert services.event_streams.taken == 0


async def test_a_restart_is_told_and_ends_the_stream(app: QuartTrio, hub: Hub) -> None:
    async with listening(app) as client:
        await greeted(client)
        hub.publish("message.sent", {})
        hub.close("restarting", 1500)
        events = await client.events()
        assert client.has_ended
    assert [(event.event, event.json) for event in events] == [
        ("shutdown", {"reason": "restarting", "restartExpectedMs": 1500})
    ]


async def test_who_comes_while_the_gateway_stops_is_told_at_once(app: QuartTrio, hub: Hub) -> None:
    hub.close("stopping", for_good=True)
    async with listening(app) as client:
        await greeted(client)
        assert [event.event for event in await client.events()] == ["shutdown"]


async def test_silence_is_broken_by_a_ping(app: QuartTrio, mock_clock: MockClock) -> None:
    # The files are looked at in threads, which an autojumping clock would not wait for.
    mock_clock.rate = 200
    async with listening(app) as client:
        await greeted(client)
        before = trio.current_time()
        ping = await client.event()
        assert trio.current_time() - before >= 15
    assert (ping.event, ping.data, ping.id) == ("ping", "", None)
