from __future__ import annotations

import json

import pytest
from quart_trio import QuartTrio

from tests.fakes.asgi import ask
from tests.fakes.generation import BEARER, Generation
from xopc.contracts.errors import Failure, XopcError


async def test_a_restart_is_accepted_with_its_reason(app: QuartTrio, generation: Generation) -> None:
    answer = await ask(app, "POST", "/api/restart", [BEARER], b'{"reason": "a new plug-in"}')
    assert answer.status == 202
    assert answer.json == {"status": "restarting", "bootId": "b00t", "generation": 1}
    assert generation.restarts == ["a new plug-in"]


@pytest.mark.parametrize("body", [None, b"{}", b'{"reason": null}', b'{"reason": ""}', b'{"reason": " \\n "}'])
async def test_without_a_reason_the_route_is_the_reason(
    app: QuartTrio, generation: Generation, body: bytes | None
) -> None:
    assert (await ask(app, "POST", "/api/restart", [BEARER], body)).status == 202
    assert generation.restarts == ["POST /api/restart"]


async def test_a_reason_stays_one_line(app: QuartTrio, generation: Generation) -> None:
    body = json.dumps({"reason": "a\nstop now\r\n\x00\u2028b 你\n"}).encode()
    assert (await ask(app, "POST", "/api/restart", [BEARER], body)).status == 202
    assert generation.restarts == ["a stop now    b 你"]


async def test_a_reason_is_at_most_200_characters_long(app: QuartTrio, generation: Generation) -> None:
    assert (await ask(app, "POST", "/api/restart", [BEARER], b'{"reason": "%s"}' % (b"x" * 200))).status == 202
    assert (await ask(app, "POST", "/api/restart", [BEARER], b'{"reason": "%s"}' % (b"x" * 201))).status == 400
    assert generation.restarts == ["x" * 200]


async def test_a_restart_that_the_configuration_forbids_is_refused(app: QuartTrio, generation: Generation) -> None:
    def forbid() -> None:
        raise XopcError(Failure.FORBIDDEN, "commands.restart is false.")

    generation.on_restart = forbid
    answer = await ask(app, "POST", "/api/restart", [BEARER])
    assert (answer.status, answer.error) == (403, ("FORBIDDEN", "commands.restart is false."))
    assert generation.restarts == []
