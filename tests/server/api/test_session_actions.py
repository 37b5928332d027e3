from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from quart_trio import QuartTrio

from tests.fakes.asgi import Answer, ask
from tests.fakes.generation import BEARER
from tests.fakes.message_path import MessagePath

NOTES = "main:webchat:default:direct:notes"
PLACE = f"/api/sessions/{NOTES}"
ACTIONS = ("archive", "unarchive", "pin", "unpin", "reset")


async def send(app: QuartTrio, method: str, target: str, body: object = None) -> Answer:
    return await ask(app, method, target, [BEARER], None if body is None else json.dumps(body).encode())


async def say(app: QuartTrio, message: str, session: str = "notes") -> None:
    assert (await send(app, "POST", "/api/agent", {"message": message, "session": session})).status == 200


async def session(app: QuartTrio) -> dict[str, Any]:
    return (await send(app, "GET", PLACE)).json["session"]


async def test_a_session_is_archived_and_pinned_and_taken_back(talking: QuartTrio) -> None:
    await say(talking, "Hello")
    for action, answer, status in (
        ("archive", {"archived": True}, "archived"),
        ("unpin", {"pinned": False}, "archived"),
        ("pin", {"pinned": True}, "pinned"),
        ("unarchive", {"archived": False}, "pinned"),
        ("unpin", {"pinned": False}, "active"),
        ("archive", {"archived": True}, "archived"),
        ("unarchive", {"archived": False}, "active"),
    ):
        assert (await send(talking, "POST", f"{PLACE}/{action}")).json == answer
        assert (await session(talking))["status"] == status
    found = await send(talking, "GET", "/api/sessions?status=active,idle")
    assert [item["key"] for item in found.json["items"]] == [NOTES]
    assert (await send(talking, "GET", "/api/sessions?status=archived,pinned")).json["total"] == 0


async def test_a_message_makes_an_archived_session_active_again(talking: QuartTrio) -> None:
    await say(talking, "Hello")
    await send(talking, "POST", f"{PLACE}/archive")
    await say(talking, "Still there?")
    assert (await session(talking))["status"] == "active"


@pytest.mark.parametrize("status", ["active", "idle", "archived", "pinned"])
async def test_each_status_can_be_asked_for(talking: QuartTrio, status: str) -> None:
    await say(talking, "Hello")
    assert (await send(talking, "GET", f"/api/sessions?status={status}")).json["total"] == (status == "active")
    assert (await send(talking, "GET", "/api/sessions?status=busy")).status == 400


async def test_a_session_has_the_name_that_it_is_given(talking: QuartTrio, path: MessagePath) -> None:
    await say(talking, "Hello")
    async with path.hub.subscribe(types=("session.updated",)) as events:
        assert (await send(talking, "POST", f"{PLACE}/rename", {"name": " Über uns "})).json == {"renamed": True}
        assert [event.data for event in await events.receive()] == [{"key": NOTES, "name": "Über uns"}]
    assert (await session(talking))["name"] == "Über uns"
    assert (await send(talking, "GET", "/api/sessions?search=%C3%9CBER")).json["total"] == 1
    await send(talking, "POST", f"{PLACE}/rename", {"name": ""})
    assert (await session(talking))["name"] is None


async def test_tags_and_data_of_clients_are_kept(talking: QuartTrio, path: MessagePath) -> None:
    await say(talking, "Hello")
    async with path.hub.subscribe(types=("session.updated",)) as events:
        changed = await send(talking, "PATCH", PLACE, {"tags": ["work", "a b"], "customData": {"a": {"b": [1, None]}}})
        assert [event.data for event in await events.receive()] == [{"key": NOTES, "tags": ["a b", "work"]}]
    assert (changed.status, changed.json["session"]["tags"]) == (200, ["a b", "work"])
    await send(talking, "PATCH", PLACE, {"name": "Notes"})
    now = await session(talking)
    assert (now["name"], now["tags"], now["customData"]) == ("Notes", ["a b", "work"], {"a": {"b": [1, None]}})
    assert (await send(talking, "GET", "/api/sessions?tags=work,a%20b")).json["total"] == 1
    assert (await send(talking, "GET", "/api/sessions?tags=work,home")).json["total"] == 0
    await send(talking, "PATCH", PLACE, {"tags": [], "customData": {}})
    assert ((await session(talking))["tags"], (await session(talking))["customData"]) == ([], {})


@pytest.mark.parametrize(
    ("target", "body", "message"),
    [
        ("/rename", {"name": "x" * 201}, "$.name: must have at most 200 characters"),
        ("/rename", {}, "$.name: is missing"),
        ("", {"tags": [""]}, "$.tags: must have 1 to 64 characters"),
        ("", {"tags": ["x" * 65]}, "$.tags: must have 1 to 64 characters"),
        ("", {"tags": [str(n) for n in range(21)]}, "$.tags: must have 20 at most"),
        ("", {"customData": []}, "$.customData: must be an object"),
        ("", {"customData": {"x": "y" * 66_000}}, "$.customData: must be at most 64 KiB"),
        ("/agent-config", {"thinkingLevel": "much"}, "$.thinkingLevel: must be one of"),
        ("/agent-config", {"model": "gpt"}, "$.model: must "),
        ("/agent-config", {"model": "missing/model"}, '$.model: There is no model "missing/model".'),
    ],
)
async def test_what_does_not_fit_changes_nothing(
    talking: QuartTrio, target: str, body: dict[str, Any], message: str
) -> None:
    await say(talking, "Hello")
    before = await session(talking)
    answer = await send(talking, "POST" if target == "/rename" else "PATCH", f"{PLACE}{target}", body)
    assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")
    assert answer.error[1].startswith(message)
    after = await session(talking)
    assert {**after, "lastAccessedAt": None} == {**before, "lastAccessedAt": None}


async def test_after_a_reset_the_agent_thinks_of_nothing_and_all_stays_readable(talking: QuartTrio) -> None:
    await say(talking, "Hello")
    assert (await send(talking, "POST", f"{PLACE}/reset")).json == {"reset": True}
    await say(talking, "Again")
    assert [message["content"] for message in (await session(talking))["messages"]] == [
        "Hello",
        "Hello (1)",
        "Again",
        "Again (1)",
    ]


async def test_a_session_chooses_its_model_and_its_levels(talking: QuartTrio) -> None:
    await say(talking, "Hello")
    place = f"{PLACE}/agent-config"
    by_default = dict.fromkeys(("thinkingLevel", "reasoningLevel", "verboseLevel", "model"), "default")
    assert (await send(talking, "GET", place)).json == by_default
    chosen = {"thinkingLevel": "high", "reasoningLevel": "stream", "verboseLevel": "full", "model": "a/b"}
    assert (await send(talking, "PATCH", place, chosen)).json == chosen
    assert (await send(talking, "PATCH", place, {"thinkingLevel": None})).json == chosen
    assert (await session(talking))["model"] == "a/b"
    assert (await send(talking, "PATCH", place, by_default)).json == by_default


async def test_a_session_is_exported_as_json_or_markdown(talking: QuartTrio) -> None:
    await say(talking, "Hello")
    as_json = await send(talking, "GET", f"{PLACE}/export")
    assert as_json.json["format"] == "json"
    assert [message["content"] for message in json.loads(as_json.json["content"])["messages"]] == ["Hello", "Hello (1)"]
    text = (await send(talking, "GET", f"{PLACE}/export?format=markdown")).json["content"]
    assert text.startswith(f"# {NOTES}\n")
    assert "\n\nHello (1)\n" in text
    assert (await send(talking, "GET", f"{PLACE}/export?format=pdf")).status == 400


@pytest.mark.parametrize("key", [NOTES, quote(NOTES, safe=""), f"agent:{NOTES}", "nothing", "..%2f..", "stats"])
async def test_of_an_unknown_session_nothing_can_be_done(talking: QuartTrio, key: str) -> None:
    place = f"/api/sessions/{key}"
    answers = [await send(talking, "POST", f"{place}/{action}") for action in ACTIONS]
    answers.append(await send(talking, "POST", f"{place}/rename", {"name": "x"}))
    answers.append(await send(talking, "GET", f"{place}/export"))
    answers.append(await send(talking, "PATCH", f"{place}/agent-config", {}))
    assert {(answer.status, answer.error[0]) for answer in answers} <= {
        (404, "SESSION_NOT_FOUND"),
        (404, "NOT_FOUND"),
    }


async def test_a_key_may_be_written_in_any_way_before_an_action(talking: QuartTrio) -> None:
    await say(talking, "Hello")
    for key in (quote(NOTES, safe=""), f"agent:{NOTES}", NOTES.upper()):
        assert (await send(talking, "POST", f"/api/sessions/{key}/pin")).status == 200
