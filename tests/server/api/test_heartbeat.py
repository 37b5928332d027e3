from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from quart_trio import QuartTrio

from tests.fakes.asgi import ask
from tests.fakes.generation import BEARER, Generation
from tests.fakes.message_path import MessagePath, open_message_path
from xopc.contracts.settings.file import GatewaySettings, Settings
from xopc.contracts.settings.heartbeat import HeartbeatSettings
from xopc.core.heartbeat.heart import NO_TASKS
from xopc.server.app import build_app
from xopc.server.wire.gate import Gate

JSON = (b"content-type", b"application/json")
TRIGGER = "/api/heartbeat/trigger"
TASKS = "/api/workspace/heartbeat-md"


async def state_when(app: QuartTrio, member: str) -> Any:  # noqa: ANN401  JSON
    """How it stands, once it has this to tell."""
    with trio.fail_after(10):
        while True:
            answer = await ask(app, "GET", "/api/heartbeat", [BEARER])
            if answer.json[member]:
                return answer.json
            await trio.sleep(0.02)


async def put(app: QuartTrio, content: object) -> Any:  # noqa: ANN401  an answer
    return await ask(app, "PUT", TASKS, [BEARER, JSON], json.dumps({"content": content}).encode())


async def test_before_the_first_beat_it_says_when_that_is(talking: QuartTrio) -> None:
    answer = await ask(talking, "GET", "/api/heartbeat", [BEARER])
    assert answer.status == 200
    assert answer.json["nextAt"].endswith("Z")
    assert answer.json == {
        "enabled": True,
        "intervalMs": 1_800_000,
        "target": None,
        "targetChatId": None,
        "nextAt": answer.json["nextAt"],
        "last": None,
        "skipped": None,
    }


@pytest.mark.parametrize(
    ("body", "reason"), [(b"{}", "trigger"), (b'{"reason": " back\\nfrom lunch"}', "back from lunch")]
)
async def test_a_beat_comes_on_demand(talking: QuartTrio, path: MessagePath, body: bytes, reason: str) -> None:
    answer = await ask(talking, "POST", TRIGGER, [BEARER, JSON], body)
    assert (answer.status, answer.json) == (200, {"scheduled": True})
    last = (await state_when(talking, "last"))["last"]
    assert (last["reason"], last["sessionKey"]) == (reason, "heartbeat:main")
    await path.sessions.wait(last["runId"])
    assert f"Woken by: {reason}" in path.script.turns[0].inbound.text
    assert (await ask(talking, "GET", "/api/heartbeat", [BEARER])).json["last"]["state"] == "done"


async def test_what_kept_a_beat_is_told(talking: QuartTrio) -> None:
    assert (await put(talking, "# Nothing\n")).status == 200
    await ask(talking, "POST", TRIGGER, [BEARER, JSON], b"{}")
    skipped = (await state_when(talking, "skipped"))["skipped"]
    assert (skipped["reason"], skipped["why"]) == ("trigger", NO_TASKS)


@pytest.mark.parametrize("body", [b'{"reason": 5}', b'{"resaon": "x"}', json.dumps({"reason": "x" * 121}).encode()])
async def test_a_trigger_that_is_wrong_is_refused(talking: QuartTrio, body: bytes) -> None:
    answer = await ask(talking, "POST", TRIGGER, [BEARER, JSON], body)
    assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")
    assert "$." in answer.error[1]


async def test_a_disabled_one_says_so(tmp_path: Path) -> None:
    settings = Settings(gateway=GatewaySettings(heartbeat=HeartbeatSettings(enabled=False, target="telegram")))
    async with open_message_path(tmp_path / "other.db", settings) as path:
        gate, generation = Gate(), Generation(path=path)
        gate.open(generation.services())
        app = build_app(gate, generation.door)
        answer = await ask(app, "POST", TRIGGER, [BEARER, JSON], b"{}")
        assert (answer.status, answer.error[0]) == (409, "CONFLICT")
        assert "gateway.heartbeat.enabled" in answer.error[1]
        shown = (await ask(app, "GET", "/api/heartbeat", [BEARER])).json
        assert (shown["enabled"], shown["nextAt"], shown["target"]) == (False, None, "telegram")


async def test_its_file_is_empty_until_it_is_written(talking: QuartTrio, path: MessagePath) -> None:
    answer = await ask(talking, "GET", TASKS, [BEARER])
    assert (answer.status, answer.json) == (200, {"ok": True, "payload": {"content": "", "file": "HEARTBEAT.md"}})
    answer = await put(talking, "- Call Ann ü\n")
    assert (answer.status, answer.json) == (200, {"ok": True, "payload": {"file": "HEARTBEAT.md"}})
    assert (path.heartbeat.workspace / "HEARTBEAT.md").read_text() == "- Call Ann ü\n"
    assert (await ask(talking, "GET", TASKS, [BEARER])).json["payload"]["content"] == "- Call Ann ü\n"


@pytest.mark.parametrize("content", [None, 5, "x" * 20_001])
async def test_what_cannot_be_its_text_changes_nothing(talking: QuartTrio, path: MessagePath, content: object) -> None:
    await put(talking, "- Call Ann\n")
    answer = await put(talking, content)
    assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")
    assert answer.error[1].startswith("$.content")
    assert (path.heartbeat.workspace / "HEARTBEAT.md").read_text() == "- Call Ann\n"


async def test_what_is_in_its_place_is_told_without_the_path(talking: QuartTrio, path: MessagePath) -> None:
    (path.heartbeat.workspace / "HEARTBEAT.md").mkdir(parents=True)
    for answer in (await ask(talking, "GET", TASKS, [BEARER]), await put(talking, "")):
        assert (answer.status, answer.error) == (409, ("CONFLICT", "HEARTBEAT.md is no file."))
