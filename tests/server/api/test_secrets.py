from __future__ import annotations

from pathlib import Path

from quart_trio import QuartTrio

from tests.fakes.asgi import ask
from tests.fakes.generation import BEARER, Generation
from xopc.contracts.api.config import Reloaded
from xopc.server.app import build_app
from xopc.server.wire.gate import Gate


def app_of(generation: Generation) -> QuartTrio:
    gate = Gate()
    gate.open(generation.services())
    return build_app(gate, generation.door)


async def test_all_secrets_are_looked_up_again_and_what_changed_is_told() -> None:
    generation = Generation(reloaded=Reloaded(reloaded=True, hot=("providers.openai",), warning_count=2))
    answer = await ask(app_of(generation), "POST", "/api/secrets/reload", [BEARER])
    assert answer.json == {
        "ok": True,
        "payload": {"warningCount": 2, "hot": ["providers.openai"], "restart": []},
    }
    assert generation.reloads == ["POST /api/secrets/reload"]


async def test_where_one_cannot_be_had_those_of_before_stay(home: Path) -> None:
    error = f"$.providers.openai: {home}/.xopc/xopc.json refers to nothing"
    generation = Generation(home=str(home), reloaded=Reloaded(reloaded=False, error=error))
    answer = await ask(app_of(generation), "POST", "/api/secrets/reload", [BEARER])
    assert answer.status == 503
    code, message = answer.error
    assert code == "UNAVAILABLE"
    assert message.startswith("The secrets of before stay in force. $.providers.openai: xopc.json")
