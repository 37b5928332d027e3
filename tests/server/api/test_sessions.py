from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trio
from quart_trio import QuartTrio

from tests.fakes.asgi import Answer, ask
from tests.fakes.door import open_door
from tests.fakes.generation import BEARER, Generation
from tests.fakes.message_path import MessagePath, open_message_path
from xopc.contracts.settings.file import AgentEntry, AgentsSettings, Settings
from xopc.server.app import build_app
from xopc.server.wire.gate import Gate

NOTES = "main:webchat:default:direct:notes"


async def create(app: QuartTrio, **body: Any) -> Answer:  # noqa: ANN401 - JSON is of any kind
    return await ask(app, "POST", "/api/sessions", [BEARER], json.dumps(body).encode())


async def get(app: QuartTrio, target: str) -> Answer:
    return await ask(app, "GET", target, [BEARER])


async def say(app: QuartTrio, message: str, session: str = "notes") -> None:
    body = json.dumps({"message": message, "session": session}).encode()
    assert (await ask(app, "POST", "/api/agent", [BEARER], body)).status == 200


# POST


async def test_a_session_without_a_body_is_one_of_the_console(talking: QuartTrio) -> None:
    answer = await ask(talking, "POST", "/api/sessions", [BEARER])
    assert answer.status == 201
    assert answer.json.keys() == {"session"}
    session = answer.json["session"]
    assert session["key"].startswith("main:webchat:default:direct:chat_")
    peer = session["key"].rpartition(":")[2]
    assert session == {
        "key": session["key"],
        "name": None,
        "status": "active",
        "tags": [],
        "createdAt": session["createdAt"],
        "updatedAt": session["createdAt"],
        "lastAccessedAt": session["createdAt"],
        "messageCount": 0,
        "estimatedTokens": 0,
        "compactedCount": 0,
        "sourceChannel": "webchat",
        "sourceChatId": peer,
        "routing": {
            "agentId": "main",
            "source": "webchat",
            "accountId": "default",
            "peerKind": "direct",
            "peerId": peer,
            "threadId": None,
            "scopeId": None,
        },
        "sessionType": "chat",
        "stats": {"messageCount": 0, "tokenCount": 0, "turnCount": 0, "lastTurnAt": None},
        "customData": {},
        "model": None,
    }


async def test_an_empty_session_is_used_again_until_something_is_said_in_it(talking: QuartTrio) -> None:
    first, again = await create(talking), await create(talking)
    assert (again.status, again.json) == (200, {"session": first.json["session"], "reused": True})
    elsewhere = await create(talking, channel="kiosk")
    assert elsewhere.status == 201
    await say(talking, "Hello", first.json["session"]["key"])
    assert (await create(talking)).status == 201


async def test_a_peer_has_one_session_which_stays_as_it_is(talking: QuartTrio) -> None:
    first = await create(talking, chat_id="notes")
    assert (first.status, first.json["session"]["key"]) == (201, NOTES)
    await say(talking, "Hello")
    again = await create(talking, chatId="Notes")
    assert (again.status, again.json["reused"]) == (200, True)
    assert again.json["session"]["messageCount"] == 2


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"channel": "kiosk", "chat_id": 5}, "main:kiosk:default:direct:5"),
        ({"channel": "pigeons", "chat_id": 5}, "main:pigeons:default:dm:5"),
        ({"channel": "pigeons", "chat_id": -5}, "main:pigeons:default:group:-5"),
        ({"channel": "", "chat_id": "a"}, "main:webchat:default:direct:a"),
        ({"agentId": "main", "chat_id": "a"}, "main:webchat:default:direct:a"),
    ],
)
async def test_channel_and_peer_are_parts_of_the_key(talking: QuartTrio, body: dict[str, Any], key: str) -> None:
    answer = await create(talking, **body)
    assert answer.json["session"]["key"] == key
    assert answer.json["session"]["routing"]["peerId"] == str(body["chat_id"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"agentId": "nobody"}, "$.agentId: names no enabled agent"),
        ({"chat_id": ""}, "$.chat_id: must have 1 to 256 characters"),
        ({"chat_id": "a" * 257}, "$.chat_id: must have 1 to 256 characters"),
        ({"channel": 5}, "$.channel: must be a text"),
    ],
)
async def test_a_session_that_cannot_be_is_refused(talking: QuartTrio, body: dict[str, Any], message: str) -> None:
    answer = await create(talking, **body)
    assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")
    assert answer.error[1].startswith(message)
    assert (await get(talking, "/api/sessions")).json["total"] == 0


async def test_the_first_part_of_the_key_is_the_agent(tmp_path: Path) -> None:
    listed = (AgentEntry("main", enabled=False), AgentEntry("coder"), AgentEntry("cook"))
    async with open_message_path(tmp_path / "xopc.db", Settings(agents=AgentsSettings(list=listed))) as path:
        gate = Gate()
        gate.open(Generation(path=path).services())
        app = build_app(gate, open_door())
        agents = [
            (await create(app, **body)).json["session"]["key"].split(":")[0]
            for body in ({}, {"agentId": "cook"}, {"agentId": "coder"})
        ]
        assert (await create(app, agentId="main")).status == 400
    assert agents == ["coder", "cook", "coder"]


# GET


async def test_without_sessions_the_list_is_empty_and_stays_so(talking: QuartTrio) -> None:
    empty: dict[str, object] = {"items": [], "total": 0, "limit": 50, "offset": 0, "hasMore": False}
    assert (await get(talking, "/api/sessions")).json == empty
    assert (await get(talking, "/api/sessions")).json == empty


async def test_the_list_comes_in_pages_and_in_order(talking: QuartTrio) -> None:
    for name in ("a", "b", "c"):
        await say(talking, "Hello", name)
    await say(talking, "Again", "b")

    async def peers(query: str) -> list[str]:
        items = (await get(talking, f"/api/sessions?{query}")).json["items"]
        return [item["sourceChatId"] for item in items]

    assert await peers("") == ["b", "c", "a"]
    assert await peers("sortOrder=asc") == await peers("sortBy=lastAccessedAt&sortOrder=asc") == ["a", "c", "b"]
    assert await peers("sortBy=createdAt") == ["c", "b", "a"]
    assert (await peers("sortBy=messageCount"))[0] == "b"
    assert await peers("limit=1&offset=1") == ["c"]
    page = (await get(talking, "/api/sessions?limit=2")).json
    assert (page["total"], page["limit"], page["offset"], page["hasMore"]) == (3, 2, 0, True)
    assert (await get(talking, "/api/sessions?limit=2&offset=2")).json["hasMore"] is False


async def test_the_list_can_be_narrowed(talking: QuartTrio) -> None:
    for body in ({"channel": "kiosk", "chat_id": "a"}, {"chat_id": "b"}):
        await create(talking, **body)
    for query, total in (
        ("channel=kiosk", 1),
        ("channel=Kiosk", 1),
        ("channel=", 2),
        ("channel=fax", 0),
        ("agentId=main", 2),
        ("agentId=Main", 2),
        ("agentId=cook", 0),
        ("search=DIRECT:B", 1),
        ("search=%25", 0),
        ("unknown=x", 2),
    ):
        assert (await get(talking, f"/api/sessions?{query}")).json["total"] == total, query


@pytest.mark.parametrize("query", ["limit=x", "limit=0", "limit=501", "offset=-1", "sortBy=name", "sortOrder=up"])
async def test_paging_that_is_wrong_is_refused(talking: QuartTrio, query: str) -> None:
    answer = await get(talking, f"/api/sessions?{query}")
    assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")
    assert answer.error[1].startswith(f"?{query.partition('=')[0]}: ")


@pytest.mark.parametrize("key", [NOTES, quote(NOTES, safe=""), f"agent:{NOTES}", NOTES.upper()])
async def test_one_session_is_read_by_its_key_however_it_is_spelled(talking: QuartTrio, key: str) -> None:
    await say(talking, "Hello")
    answer = await get(talking, f"/api/sessions/{key}")
    assert answer.status == 200
    session = answer.json["session"]
    assert (session["key"], session["messageCount"]) == (NOTES, 2)
    user, assistant = session["messages"]
    assert user == {
        "seq": 1,
        "role": "user",
        "content": "Hello",
        "timestamp": user["timestamp"],
        "tool_call_id": None,
        "tool_calls": [],
        "toolName": None,
        "isError": False,
        "name": None,
        "runId": assistant["runId"],
        "model": None,
        "usage": None,
    }
    assert (assistant["seq"], assistant["role"], assistant["content"]) == (2, "assistant", "Hello (1)")


async def test_messages_come_in_pages_too_the_newest_first(talking: QuartTrio) -> None:
    for number in range(3):
        await say(talking, f"Number {number}")

    async def numbers(query: str) -> list[int]:
        answer = await get(talking, f"/api/sessions/{NOTES}?{query}")
        return [message["seq"] for message in answer.json["session"]["messages"]]

    assert await numbers("") == [1, 2, 3, 4, 5, 6]
    assert await numbers("limit=2") == [5, 6]
    page = (await get(talking, f"/api/sessions/{NOTES}?limit=2")).json
    assert (page["limit"], page["hasMore"], page["nextBefore"]) == (2, True, 5)
    last = (await get(talking, f"/api/sessions/{NOTES}?limit=4&before=5")).json
    assert (last["hasMore"], last["nextBefore"]) == (False, None)
    assert await numbers("limit=3&before=5") == [2, 3, 4]
    assert await numbers("before=1") == []
    assert (await get(talking, f"/api/sessions/{NOTES}?before=0")).status == 400


@pytest.mark.parametrize("key", [NOTES, "nothing", "..", "%2e%2e", "a:b", "x" * 300, "*", "%25"])
async def test_an_unknown_key_is_no_session(talking: QuartTrio, key: str) -> None:
    for method in ("GET", "DELETE"):
        answer = await ask(talking, method, f"/api/sessions/{key}", [BEARER])
        assert (answer.status, answer.error[0]) == (404, "SESSION_NOT_FOUND")


# DELETE


async def test_a_deleted_session_is_gone(talking: QuartTrio, path: MessagePath) -> None:
    await say(talking, "Hello")
    async with path.hub.subscribe(types=("session.deleted",)) as events:
        answer = await ask(talking, "DELETE", f"/api/sessions/{NOTES}", [BEARER])
        assert [event.data for event in await events.receive()] == [{"key": NOTES}]
    assert (answer.status, answer.json) == (200, {"deleted": True})
    assert (await get(talking, f"/api/sessions/{NOTES}")).error[0] == "SESSION_NOT_FOUND"
    assert (await ask(talking, "DELETE", f"/api/sessions/{NOTES}", [BEARER])).status == 404
    await say(talking, "Hello")
    assert (await get(talking, f"/api/sessions/{NOTES}")).json["session"]["messageCount"] == 2


async def test_what_the_agent_is_answering_is_stopped_first(talking: QuartTrio, path: MessagePath) -> None:
    answers: list[Answer] = []

    async def caller() -> None:
        body = b'{"message": "wait", "session": "notes"}'
        answers.append(await ask(talking, "POST", "/api/agent", [BEARER], body))

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller)
            await path.script.begun.wait()
            assert (await ask(talking, "DELETE", f"/api/sessions/{NOTES}", [BEARER])).json == {"deleted": True}
    assert answers[0].json["status"] == "aborted"
