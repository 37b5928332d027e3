from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from quart_trio import QuartTrio

from tests.fakes.asgi import Answer, ask
from tests.fakes.door import open_door
from tests.fakes.generation import BEARER, Generation
from tests.fakes.message_path import MessagePath, open_message_path
from xopc.contracts.messages import Address, Inbound, PeerKind
from xopc.contracts.settings.file import Settings
from xopc.contracts.settings.routing import DmScope, SessionSettings
from xopc.server.app import build_app
from xopc.server.wire.gate import Gate

SETTINGS = Settings(
    session=SessionSettings(
        dm_scope=DmScope.PER_PEER, identity_links={"Robin": ("pigeons:1", "telegram:77"), "ann": ("pigeons:2",)}
    )
)
ROBIN = "main:dm:default:dm:robin"
GROUP = "main:pigeons:default:group:-5"


async def send(app: QuartTrio, method: str, target: str, body: object = None) -> Answer:
    return await ask(app, method, target, [BEARER], None if body is None else json.dumps(body).encode())


async def write(path: MessagePath, sender: str, text: str = "Hello", *, chat: str | None = None) -> None:
    """A message over a channel, and its answer."""
    kind = PeerKind.DM if chat is None else PeerKind.GROUP
    inbound = Inbound(Address("pigeons", "default", chat or sender), kind, sender, text, f"{chat}/{sender}/{text}")
    (accepted,) = await path.inbox.accept([inbound])
    if text != "wait":
        await path.sessions.wait(accepted.run_id)


async def test_sums_are_told_at_a_path_that_is_no_session(talking: QuartTrio) -> None:
    await send(talking, "POST", "/api/agent", {"message": "Hello", "session": "a"})
    await send(talking, "POST", "/api/sessions", {"channel": "kiosk"})
    await send(talking, "POST", "/api/sessions/main:webchat:default:direct:a/pin")
    answer = await send(talking, "GET", "/api/sessions/stats")
    assert answer.json == {
        "total": 2,
        "active": 1,
        "idle": 0,
        "archived": 0,
        "pinned": 1,
        "messages": 2,
        "turns": 1,
        "tokens": 5,
        "byChannel": [
            {"channel": "kiosk", "agentId": "main", "sessions": 1, "messages": 0},
            {"channel": "webchat", "agentId": "main", "sessions": 1, "messages": 2},
        ],
    }


@pytest.mark.parametrize("path_", ["stats", "chat-ids", "prune", "forget"])
async def test_what_is_no_session_has_no_methods_of_one(talking: QuartTrio, path_: str) -> None:
    answer = await send(talking, "DELETE", f"/api/sessions/{path_}")
    assert (answer.status, answer.error[0]) == (405, "INVALID_REQUEST")
    assert answer.headers["allow"] == ("GET, HEAD" if path_ in ("stats", "chat-ids") else "POST")
    assert (await send(talking, "OPTIONS", f"/api/sessions/{path_}")).status == 405


async def test_chats_that_somebody_wrote_from_are_listed(talking: QuartTrio, path: MessagePath) -> None:
    await write(path, "1")
    await write(path, "2", chat="-5")
    chats = (await send(talking, "GET", "/api/sessions/chat-ids?channel=Pigeons")).json["chatIds"]
    assert [(chat["chatId"], chat["peerKind"], chat["accountId"]) for chat in chats] == [
        ("-5", "group", "default"),
        ("1", "dm", "default"),
    ]
    page = (await send(talking, "GET", "/api/sessions/chat-ids?limit=1")).json
    assert (len(page["chatIds"]), page["limit"], page["offset"], page["hasMore"]) == (1, 1, 0, True)
    rest = (await send(talking, "GET", "/api/sessions/chat-ids?limit=1&offset=1")).json
    assert ([chat["chatId"] for chat in rest["chatIds"]], rest["hasMore"]) == (["1"], False)
    assert (await send(talking, "GET", "/api/sessions/chat-ids?limit=0")).status == 400


async def test_a_prune_tells_first_and_then_forgets(talking: QuartTrio, path: MessagePath) -> None:
    for name in "abc":
        await send(talking, "POST", "/api/agent", {"message": "Hello", "session": name})
    a, b, _ = keys = [f"main:webchat:default:direct:{name}" for name in "abc"]
    await send(talking, "POST", f"/api/sessions/{a}/archive")
    assert (await send(talking, "POST", "/api/sessions/prune", {"unusedForMs": 60_000})).json["count"] == 0
    told = await send(talking, "POST", "/api/sessions/prune", {"keepNewest": 1})
    assert told.json == {"dryRun": True, "count": 1, "keys": [b]}
    assert (await send(talking, "GET", "/api/sessions")).json["total"] == len(keys)
    async with path.hub.subscribe(types=("session.deleted",)) as events:
        pruned = await send(talking, "POST", "/api/sessions/prune", {"keepNewest": 1, "dryRun": False})
        assert [event.data for event in await events.receive()] == [{"key": b}]
    assert pruned.json == {"dryRun": False, "count": 1, "keys": [b]}
    assert (await send(talking, "GET", "/api/sessions")).json["total"] == 2


async def test_a_prune_names_channel_and_agent_as_a_new_session_does(talking: QuartTrio) -> None:
    await send(talking, "POST", "/api/sessions", {"channel": "My kiosk", "agentId": "Main", "chat_id": "a"})
    answer = await send(talking, "POST", "/api/sessions/prune", {"channel": "My kiosk", "agentId": "MAIN"})
    assert answer.json["count"] == 1
    assert (await send(talking, "POST", "/api/sessions/prune", {"agentId": "cook"})).json["count"] == 0


@pytest.mark.parametrize("key", ["channel", "agentId"])
async def test_a_prune_of_what_has_no_name_forgets_nothing(talking: QuartTrio, key: str) -> None:
    """Such as of a variable that is not set."""
    await send(talking, "POST", "/api/agent", {"message": "Hello", "session": "a"})
    answer = await send(talking, "POST", "/api/sessions/prune", {key: "", "dryRun": False})
    assert answer.json == {"dryRun": False, "count": 0, "keys": []}
    assert (await send(talking, "GET", "/api/sessions")).json["total"] == 1


@pytest.mark.parametrize("body", [{"unusedForMs": -1}, {"keepNewest": "x"}, {"everything": True}])
async def test_a_prune_that_makes_no_sense_is_refused(talking: QuartTrio, body: dict[str, Any]) -> None:
    assert (await send(talking, "POST", "/api/sessions/prune", body)).status == 400


async def test_a_person_is_counted_and_then_forgotten_by_name(tmp_path: Path) -> None:
    async with open_message_path(tmp_path / "xopc.db", SETTINGS) as path:
        gate = Gate()
        gate.open(Generation(path=path).services())
        app = build_app(gate, open_door())
        await write(path, "1")
        await write(path, "2")
        await write(path, "1", "in the group", chat="-5")
        await write(path, "2", "in the group, too", chat="-5")
        told = await send(app, "POST", "/api/sessions/forget", {"person": "robin"})
        assert told.json["dryRun"] is True
        assert told.json["people"] == ["pigeons:1", "telegram:77"]
        assert (told.json["sessions"], told.json["sharedSessions"]) == ([ROBIN], [GROUP])
        assert (told.json["messages"], told.json["redactedMessages"]) == (2, 2)
        assert (await send(app, "GET", f"/api/sessions/{ROBIN}")).status == 200

        async with path.hub.subscribe(types=("session.deleted", "session.updated")) as events:
            gone = await send(app, "POST", "/api/sessions/forget", {"person": "robin", "dryRun": False})
            assert [(event.type, event.data) for event in await events.receive()] == [
                ("session.deleted", {"key": ROBIN}),
                ("session.updated", {"key": GROUP}),
            ]
        assert gone.json == {**told.json, "dryRun": False}
        assert (await send(app, "GET", f"/api/sessions/{ROBIN}")).status == 404
        group = (await send(app, "GET", f"/api/sessions/{GROUP}")).json["session"]["messages"]
        assert [message["content"] for message in group][:3] == ["[forgotten]", "[forgotten]", "in the group, too"]


async def test_what_the_agent_does_for_a_person_is_stopped_first(talking: QuartTrio, path: MessagePath) -> None:
    with trio.fail_after(5):
        await write(path, "1", "wait")
        await path.script.begun.wait()
        gone = await send(talking, "POST", "/api/sessions/forget", {"person": "pigeons:1", "dryRun": False})
    assert (gone.json["abortedRuns"], len(gone.json["sessions"])) == (1, 1)
    assert (await send(talking, "GET", "/api/sessions")).json["total"] == 0


@pytest.mark.parametrize("person", ["nobody", ":5", "telegram:", " : "])
async def test_a_person_that_is_none_is_refused(talking: QuartTrio, person: str) -> None:
    answer = await send(talking, "POST", "/api/sessions/forget", {"person": person, "dryRun": False})
    assert (answer.status, answer.error[0]) == (404, "NOT_FOUND")
    assert answer.error[1].startswith("$.person: names nobody in session.identityLinks")
