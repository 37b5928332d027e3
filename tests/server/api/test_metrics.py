from __future__ import annotations

from quart_trio import QuartTrio

from tests.fakes.asgi import ask
from tests.fakes.generation import BEARER


async def test_the_metrics_are_text_for_whoever_may_read(app: QuartTrio) -> None:
    answer = await ask(app, "GET", "/metrics", [BEARER])
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.body == b"# TYPE xopc_generation gauge\nxopc_generation 1\n"


async def test_without_a_credential_there_are_none(app: QuartTrio) -> None:
    assert (await ask(app, "GET", "/metrics")).status == 401
