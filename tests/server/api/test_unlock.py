from __future__ import annotations

import json

import pytest
from quart_trio import QuartTrio

from tests.fakes.asgi import Answer, ask
from tests.fakes.generation import BEARER
from xopc.server.door.door import Door
from xopc.server.door.limiter import key_of


async def unlock(app: QuartTrio, body: object) -> Answer:
    return await ask(app, "POST", "/api/auth/unlock", [BEARER], json.dumps(body).encode())


@pytest.fixture
async def locked(door: Door) -> Door:
    for key in ("192.0.2.7", key_of("192.0.2.7", "*"), "192.0.2.8", "2001:db8::/64"):
        for _ in range(5):
            door.limiter.count(key)
    return door


async def test_one_client_is_unlocked_with_its_pages(app: QuartTrio, locked: Door) -> None:
    answer = await unlock(app, {"client": "192.0.2.7"})
    assert (answer.status, answer.json) == (200, {"ok": True, "unlocked": 2})
    assert [block.key for block in locked.limiter.blocks()] == ["192.0.2.8", "2001:db8::/64"]


@pytest.mark.parametrize("client", ["2001:db8::99", "2001:db8::/64"])
async def test_an_address_of_ipv6_stands_for_its_network(app: QuartTrio, locked: Door, client: str) -> None:
    assert (await unlock(app, {"client": client})).json == {"ok": True, "unlocked": 1}


async def test_without_a_client_all_are_unlocked(app: QuartTrio, locked: Door) -> None:
    assert (await unlock(app, {})).json == {"ok": True, "unlocked": 4}
    assert (await unlock(app, {"client": "192.0.2.8"})).json == {"ok": True, "unlocked": 0}


async def test_what_is_no_address_is_refused_and_unlocks_nobody(app: QuartTrio, locked: Door) -> None:
    answer = await unlock(app, {"client": "desk"})
    message = "$.client: must be an IP address, such as 192.0.2.7"
    assert (answer.status, answer.error) == (400, ("INVALID_REQUEST", message))
    assert len(locked.limiter.blocks()) == 4
