from __future__ import annotations

from pathlib import Path

from quart_trio import QuartTrio

from tests.fakes.asgi import ask
from tests.fakes.generation import BEARER, Generation
from xopc.server.wire.gate import Gate
from xopc.storage.transactions.traces import StoredTrace


async def test_the_way_of_a_message_is_told(app: QuartTrio) -> None:
    answer = await ask(app, "GET", "/api/trace/msg_1", [BEARER])
    assert answer.status == 200
    (trace,) = answer.json["traces"]
    assert (trace["state"], trace["messageIds"], trace["steps"][0]["kind"]) == ("pending", ["msg_1"], "queued")


async def test_an_id_that_nobody_has_is_not_found(app: QuartTrio, gate: Gate, tmp_path: Path) -> None:
    class Forgetful(Generation):
        async def ways(self, wanted: str) -> list[StoredTrace]:
            return []

    gate.open(Forgetful().services())
    answer = await ask(app, "GET", "/api/trace/nope", [BEARER])
    assert (answer.status, answer.json["error"]["code"]) == (404, "NOT_FOUND")
