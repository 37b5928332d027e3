from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from quart_trio import QuartTrio

from tests.fakes.asgi import ask
from tests.fakes.door import open_door
from tests.fakes.generation import BEARER, TOKEN, Generation
from xopc.contracts.api.config import Reloaded
from xopc.core.redact import hides
from xopc.server.app import build_app
from xopc.server.wire.gate import Gate

BEFORE = {"gateway": {"port": 1234}, "providers": {"openai": "an-invented-key"}, "ext": {"city": "Oslo"}}


@pytest.fixture
def generation(home: Path) -> Generation:
    (home / ".xopc").mkdir()
    write(home, BEFORE)
    return Generation(home=str(home))


def write(home: Path, document: object) -> None:
    (home / ".xopc" / "xopc.json").write_text(json.dumps(document))


def content(home: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads((home / ".xopc" / "xopc.json").read_text())


async def patch(app: QuartTrio, changes: object) -> Any:  # noqa: ANN401 - JSON
    return await ask(app, "PATCH", "/api/config", [BEARER], json.dumps(changes).encode())


async def test_the_configuration_is_shown_whole_and_without_secrets(app: QuartTrio) -> None:
    answer = await ask(app, "GET", "/api/config", [BEARER])
    assert answer.status == 200
    assert answer.json["ok"] is True
    config = answer.json["payload"]["config"]
    assert config["gateway"]["port"] == 1234
    assert config["gateway"]["maxSseConnections"] == 100
    assert config["providers"] == {"openai": "***"}
    assert config["ext"] == {"city": "Oslo"}
    assert b"an-invented-key" not in answer.body


async def test_a_change_is_saved_and_brought_into_effect(app: QuartTrio, generation: Generation, home: Path) -> None:
    generation.reloaded = Reloaded(reloaded=True, hot=("agents.default",), restart=("gateway.port",))
    answer = await patch(app, {"gateway": {"port": 2345}, "agents": {"default": "ann"}})
    assert answer.status == 200
    payload = answer.json["payload"]
    assert payload["requiresRestart"] is True
    assert (payload["hot"], payload["restart"]) == (["agents.default"], ["gateway.port"])
    assert payload["config"] == (await ask(app, "GET", "/api/config", [BEARER])).json["payload"]["config"]
    assert payload["config"]["gateway"]["port"] == 2345
    assert content(home) == {**BEFORE, "gateway": {"port": 2345}, "agents": {"default": "ann"}}
    assert generation.reloads == ["PATCH /api/config"]


async def test_what_takes_effect_at_once_requires_no_restart(app: QuartTrio, generation: Generation) -> None:
    generation.reloaded = Reloaded(reloaded=True, hot=("gateway.corsOrigins",))
    answer = await patch(app, {"gateway": {"corsOrigins": ["https://desk.example.com"]}})
    assert answer.json["payload"]["requiresRestart"] is False


async def test_sending_back_what_was_shown_changes_and_reloads_nothing(
    app: QuartTrio, generation: Generation, home: Path
) -> None:
    shown = (await ask(app, "GET", "/api/config", [BEARER])).json["payload"]["config"]
    everything: list[object] = [shown, {}]
    for changes in everything:
        answer = await patch(app, changes)
        assert answer.status == 200
        assert answer.json["payload"] == {"config": shown, "requiresRestart": False, "hot": [], "restart": []}
    assert (content(home), generation.reloads) == (BEFORE, [])


async def test_a_change_that_is_refused_changes_nothing(app: QuartTrio, generation: Generation, home: Path) -> None:
    answer = await patch(app, {"gateway": {"port": 0, "prot": 1}})
    assert answer.status == 400
    assert answer.error == ("INVALID_REQUEST", '$.gateway.prot: unknown key; did you mean "port"?')
    answer = await patch(app, {"gateway": {"port": 0}})
    assert answer.error == ("INVALID_REQUEST", "$.gateway.port: must be 1 to 65535")
    assert (content(home), generation.reloads) == (BEFORE, [])


async def test_a_change_that_cannot_take_effect_is_taken_back(
    app: QuartTrio, generation: Generation, home: Path
) -> None:
    file = home / ".xopc" / "xopc.json"
    generation.reloaded = Reloaded(reloaded=False, error=f"{file}\n  $.gateway.tls.certPath: is no certificate")
    answer = await patch(app, {"gateway": {"standby": True}})
    assert answer.status == 400
    assert answer.error == ("INVALID_REQUEST", "xopc.json\n  $.gateway.tls.certPath: is no certificate")
    assert content(home) == BEFORE


async def test_changes_that_are_refused_at_once_leave_nothing_of_each_other(
    app: QuartTrio, generation: Generation, home: Path
) -> None:
    generation.reloaded = Reloaded(reloaded=False, error="$.gateway.tls.certPath: is no certificate")
    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(patch, app, {"ext": {f"key{number}": number}})
    assert content(home) == BEFORE
    assert len(generation.reloads) == 8


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b"5", b'"a"', b"{", b'{"__proto__": {"a": 1}}', b'{"providers": {"../../x": "k"}}',
     b'{"gateway": {"\\u0000": 1}}', b'{"gateway": {"\\ud800": 1}}', b'{"gateway": {"host": "\\ud800"}}',
     b'{"ext": {"a": 1e999}}', b'{"ext": {"a": NaN}}', b'{"ext":' + b'{"a":' * 500 + b"1" + b"}" * 501,
     b'{"ext":' + b"[" * 200_000 + b"]" * 200_000 + b"}", b'{"' + b"k" * 500_000 + b'": 1}', b'{"gateway": []}'],
    ids=range(16),
)  # fmt: skip
async def test_hostile_bodies_are_refused_with_their_place(
    app: QuartTrio, generation: Generation, home: Path, body: bytes
) -> None:
    answer = await ask(app, "PATCH", "/api/config", [BEARER], body)
    assert answer.status == 400
    assert answer.error[0] == "INVALID_REQUEST"
    assert answer.error[1].startswith(("$", "The body is not JSON"))
    assert len(answer.error[1]) < 500
    assert (content(home), generation.reloads) == (BEFORE, [])


async def test_a_reload_tells_what_came_of_it(app: QuartTrio, generation: Generation, home: Path) -> None:
    answer = await ask(app, "POST", "/api/config/reload", [BEARER])
    assert answer.json == {
        "ok": True,
        "payload": {"reloaded": True, "hot": [], "restart": [], "error": None, "warningCount": 0},
    }
    file = home / ".xopc" / "xopc.json"
    generation.reloaded = Reloaded(reloaded=False, error=f"{file}: is empty")
    answer = await ask(app, "POST", "/api/config/reload", [BEARER])
    assert answer.status == 200
    assert answer.json["payload"] == {
        "reloaded": False,
        "hot": [],
        "restart": [],
        "error": "xopc.json: is empty",
        "warningCount": 0,
    }
    assert generation.reloads == ["POST /api/config/reload"] * 2


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("PATCH", ""), ("POST", "/reload")])
async def test_nobody_sees_or_changes_it_without_a_credential(app: QuartTrio, method: str, path: str) -> None:
    body = None if method == "GET" else b"{}"
    assert (await ask(app, method, f"/api/config{path}", [], body)).status == 401


async def test_a_change_that_is_begun_takes_effect_although_its_client_has_gone(
    generation: Generation, home: Path
) -> None:
    gate = Gate()
    gate.open(generation.services())
    app = build_app(gate, open_door())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(patch, app, {"gateway": {"port": 2345}})
        with trio.fail_after(5):
            while content(home) == BEFORE:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert generation.reloads == ["PATCH /api/config"]


@pytest.mark.parametrize(
    ("name", "text", "hidden"),
    [("city", "Oslo", False), ("appSecret", "x", True), ("url", f"https://example.com/?token={TOKEN}", True)],
)
def test_a_secret_is_known_by_its_name_or_its_look(name: str, text: str, hidden: bool) -> None:
    assert hides(name, text) is hidden
