from __future__ import annotations

import pytest
import trio
from quart_trio import QuartTrio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.asgi import Answer, ask
from tests.fakes.door import open_door, policy
from tests.fakes.generation import BEARER, Generation
from xopc.server.app import build_app
from xopc.server.door.door import Door
from xopc.server.wire.gate import Gate


async def test_a_request_waits_at_the_gate_and_meets_the_next_generation(
    gate: Gate, door: Door, app: QuartTrio
) -> None:
    answers: list[Answer] = []

    async def client() -> None:
        answers.append(await ask(app, "GET", "/api/status", [(b"x-api-key", b"the-next-invented-token")]))

    gate.close()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client)
        await wait_all_tasks_blocked()
        assert gate.waiting == 1
        door.use(policy("the-next-invented-token"))
        gate.open(Generation(2).services())
    assert answers[0].json["health"]["generation"] == 2


async def test_a_gate_that_stays_closed_is_unavailable_after_six_seconds(
    gate: Gate, app: QuartTrio, autojump_clock: MockClock
) -> None:
    gate.close()
    before = trio.current_time()
    answer = await ask(app, "GET", "/api/status")
    assert trio.current_time() - before == pytest.approx(6)
    assert (answer.status, answer.error[0]) == (503, "UNAVAILABLE")
    assert "connection" not in answer.headers


async def test_a_gateway_that_stops_says_so_and_closes(gate: Gate, app: QuartTrio) -> None:
    gate.shut()
    answer = await ask(app, "GET", "/api/status", [BEARER])
    assert (answer.status, answer.error) == (503, ("UNAVAILABLE", "The gateway is stopping."))
    assert answer.headers["connection"] == "close"
    assert (await ask(app, "GET", "/nothing")).headers["connection"] == "close"


async def test_the_request_that_asks_for_a_restart_is_not_waited_for(
    gate: Gate, generation: Generation, autojump_clock: MockClock
) -> None:
    app = build_app(gate, open_door())
    asked = trio.Event()
    generation.on_restart = asked.set
    before = trio.current_time()

    async def restart() -> None:
        await asked.wait()
        gate.close()
        await gate.idle()
        gate.open(Generation(2).services())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(restart)
        answer = await ask(app, "POST", "/api/restart", [BEARER])
    assert (answer.status, answer.json["generation"]) == (202, 1)
    assert trio.current_time() == before


async def test_a_slow_body_does_not_hold_a_restart_up(gate: Gate, app: QuartTrio, autojump_clock: MockClock) -> None:
    answers: list[Answer] = []

    async def client() -> None:
        answers.append(await ask(app, "POST", "/api/restart", [BEARER], b"{", more=True))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(client)
        await wait_all_tasks_blocked()
        gate.close()
        before = trio.current_time()
        await gate.idle()
        assert trio.current_time() == before
        gate.open(Generation(2).services())
    assert answers[0].status == 408


async def test_a_credential_that_was_changed_while_the_body_came_does_not_pass(
    gate: Gate, app: QuartTrio, door: Door, generation: Generation
) -> None:
    successor = Generation(2)

    async def restart_meanwhile() -> None:
        gate.close()
        door.use(policy("the-next-invented-token"))
        gate.open(successor.services())

    answer = await ask(app, "POST", "/api/restart", [BEARER], b"{}", before_body=restart_meanwhile)
    assert answer.status == 401
    assert generation.restarts == successor.restarts == []


async def test_a_request_still_inside_when_its_generation_ends_is_told(
    gate: Gate, app: QuartTrio, generation: Generation
) -> None:
    answers: list[Answer] = []
    generation.on_status = trio.sleep_forever

    async def client() -> None:
        answers.append(await ask(app, "GET", "/api/status", [BEARER]))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(client)
        await wait_all_tasks_blocked()
        gate.close()
        gate.evict()
    assert (answers[0].status, answers[0].error[0]) == (503, "UNAVAILABLE")


async def test_a_client_that_goes_away_cancels_its_handler(gate: Gate, app: QuartTrio, generation: Generation) -> None:
    cancelled = trio.Event()

    async def on_status() -> None:
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    generation.on_status = on_status
    with pytest.raises(AssertionError, match="no answer"):
        await ask(app, "GET", "/api/status", [BEARER], disconnect=True)
    assert cancelled.is_set()
    assert gate.inside == 0
