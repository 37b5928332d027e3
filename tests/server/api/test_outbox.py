from __future__ import annotations

import json
from datetime import datetime
from urllib.parse import quote

import pytest
import trio
from quart_trio import QuartTrio

from tests.fakes.asgi import ask
from tests.fakes.generation import BEARER
from tests.fakes.message_path import MessagePath
from xopc.contracts.messages import Address, Outbound, OutboxState, Retry


async def test_dead_letters_are_listed_with_what_went_wrong(talking: QuartTrio, path: MessagePath) -> None:
    message_id = await path.dead_letter()
    answer = await ask(talking, "GET", "/api/outbound", [BEARER])
    assert answer.status == 200
    (item,) = answer.json["items"]
    assert answer.json == {"items": [item], "limit": 50, "hasMore": False, "nextCursor": None}
    assert item == {
        "id": message_id,
        "channel": "pigeons",
        "accountId": "default",
        "chatId": "nowhere",
        "threadId": None,
        "content": "Is anybody there?",
        "state": "dead",
        "createdAt": item["createdAt"],
        "expiresAt": None,
        "settledAt": item["settledAt"],
        "attempts": 1,
        "nextAttemptAt": None,
        "waitsFor": None,
        "partsSent": 0,
        "platformMessageIds": [],
        "lastError": "there is no such chat",
        "errorClass": "permanent",
        "possibleDuplicate": False,
    }
    assert item["createdAt"].endswith("Z")
    assert item["settledAt"].endswith("Z")


async def test_other_states_are_listed_when_asked_for(talking: QuartTrio, path: MessagePath) -> None:
    message_id, _ = await path.outbox.enqueue(Outbound(Address("pigeons", "work", "5", "4"), "Hello"))
    await path.until(message_id, OutboxState.SENT)
    await path.dead_letter()
    for state, found in (
        ("sent", ["sent"]),
        ("dead,sent", ["dead", "sent"]),
        ("sent, sent", ["sent"]),
        ("pending,inflight,cancelled", []),
        (",", ["dead"]),
    ):
        answer = await ask(talking, "GET", f"/api/outbound?state={quote(state)}", [BEARER])
        assert [item["state"] for item in answer.json["items"]] == found


async def test_the_list_is_of_a_channel_an_account_a_chat_or_a_kind_of_error(
    talking: QuartTrio, path: MessagePath
) -> None:
    sent, _ = await path.outbox.enqueue(Outbound(Address("pigeons", "work", "5"), "Hello"))
    await path.until(sent, OutboxState.SENT)
    dead = await path.dead_letter()
    for query, found in (
        ("channel=pigeons", [dead, sent]),
        ("channel=owls", []),
        ("accountId=work", [sent]),
        ("chat_id=nowhere", [dead]),
        ("chatId=5&channel=pigeons&accountId=work", [sent]),
        ("errorClass=permanent", [dead]),
        ("errorClass=expired", []),
    ):
        answer = await ask(talking, "GET", f"/api/outbound?state=sent,dead&{query}", [BEARER])
        assert [item["id"] for item in answer.json["items"]] == found


async def test_the_list_comes_in_pages_the_newest_first(talking: QuartTrio, path: MessagePath) -> None:
    oldest, middle, newest = [await path.dead_letter() for _ in range(3)]
    first = (await ask(talking, "GET", "/api/outbound?limit=2", [BEARER])).json
    assert ([item["id"] for item in first["items"]], first["hasMore"]) == ([newest, middle], True)
    newer = await path.dead_letter()
    second = (await ask(talking, "GET", f"/api/outbound?limit=2&cursor={first['nextCursor']}", [BEARER])).json
    assert ([item["id"] for item in second["items"]], second["hasMore"]) == ([oldest], False)
    assert newer not in {item["id"] for item in (*first["items"], *second["items"])}


@pytest.mark.parametrize(
    "query",
    [
        "state=lost",
        "state=dead,lost",
        "limit=0",
        "limit=501",
        "limit=x",
        "cursor=x",
        "cursor=1",
        "cursor=runs_1",
        "errorClass=odd",
    ],
)
async def test_a_query_that_is_wrong_is_refused(talking: QuartTrio, query: str) -> None:
    answer = await ask(talking, "GET", f"/api/outbound?{query}", [BEARER])
    assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")


async def test_a_dead_letter_can_be_sent_again(talking: QuartTrio, path: MessagePath) -> None:
    message_id = await path.dead_letter()
    async with path.hub.subscribe(types=("message.failed",)) as events:
        answer = await ask(talking, "POST", f"/api/outbound/{message_id}/retry", [BEARER])
        assert (answer.status, answer.json) == (200, {"retried": True})
        assert [event.data["messageId"] for event in await events.receive()] == [message_id]


async def test_a_dead_letter_can_be_forgotten(talking: QuartTrio, path: MessagePath) -> None:
    message_id = await path.dead_letter()
    answer = await ask(talking, "DELETE", f"/api/outbound/{message_id}", [BEARER])
    assert (answer.status, answer.json) == (200, {"cancelled": False, "deleted": True})
    assert (await ask(talking, "GET", "/api/outbound", [BEARER])).json["items"] == []


async def test_the_state_of_one_message_is_told_by_its_id(talking: QuartTrio, path: MessagePath) -> None:
    body = json.dumps({"channel": "pigeons", "chat_id": "5", "content": "Hello", "ttlSeconds": 60}).encode()
    message_id = (await ask(talking, "POST", "/api/message", [BEARER], body)).json["message_id"]
    await path.until(message_id, OutboxState.SENT)
    answer = await ask(talking, "GET", f"/api/outbound/{message_id}", [BEARER])
    assert answer.status == 200
    assert (answer.json["state"], answer.json["platformMessageIds"]) == ("sent", ["5/1"])


async def test_a_message_that_waits_says_until_when_and_what_for(talking: QuartTrio, path: MessagePath) -> None:
    path.pigeons.busy = Retry("the loft is closed", 300, whole_account=True)
    message_id, _ = await path.outbox.enqueue(Outbound(Address("pigeons", "work", "5"), "Hello", ttl_seconds=3600))
    await path.until_tried(message_id)
    shown = (await ask(talking, "GET", f"/api/outbound/{message_id}", [BEARER])).json
    assert (shown["state"], shown["waitsFor"]) == ("pending", "the loft is closed")
    assert (shown["lastError"], shown["errorClass"]) == ("the loft is closed", "transient")
    created, expires, again = (
        datetime.fromisoformat(shown[key]).timestamp() for key in ("createdAt", "expiresAt", "nextAttemptAt")
    )
    assert expires - created == pytest.approx(3600, abs=0.01)
    assert 299 < again - created < 310


async def test_a_message_that_waits_can_be_taken_back(talking: QuartTrio, path: MessagePath) -> None:
    path.pigeons.busy = Retry("the loft is closed", 300)
    message_id, _ = await path.outbox.enqueue(Outbound(Address("pigeons", "work", "5"), "Hello"))
    await path.until_tried(message_id)
    for _ in range(2):
        answer = await ask(talking, "DELETE", f"/api/outbound/{message_id}", [BEARER])
        assert (answer.status, answer.json) == (200, {"cancelled": True, "deleted": False})
    shown = (await ask(talking, "GET", f"/api/outbound/{message_id}", [BEARER])).json
    assert (shown["state"], shown["expiresAt"], shown["nextAttemptAt"]) == ("cancelled", None, None)
    assert path.pigeons.sent == []


async def test_what_was_sent_cannot_be_taken_back(talking: QuartTrio, path: MessagePath) -> None:
    sent, _ = await path.outbox.enqueue(Outbound(Address("pigeons", "default", "5"), "Hello"))
    await path.until(sent, OutboxState.SENT)
    answer = await ask(talking, "DELETE", f"/api/outbound/{sent}", [BEARER])
    assert (answer.status, answer.error[0]) == (409, "CONFLICT")
    answer = await ask(talking, "POST", f"/api/outbound/{sent}/retry", [BEARER])
    assert (answer.status, answer.error[0]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("message_id", ["nothing", "%25"])
async def test_a_message_that_is_not_there_is_not_found(talking: QuartTrio, message_id: str) -> None:
    for method, target in (
        ("GET", f"/api/outbound/{message_id}"),
        ("POST", f"/api/outbound/{message_id}/retry"),
        ("DELETE", f"/api/outbound/{message_id}"),
    ):
        answer = await ask(talking, method, target, [BEARER])
        assert (answer.status, answer.error[0]) == (404, "NOT_FOUND")


async def test_dead_letters_can_be_sent_again_or_forgotten_together(talking: QuartTrio, path: MessagePath) -> None:
    letters = {await path.dead_letter() for _ in range(3)}
    for target, body, expected in (
        ("retry", {"channel": "owls"}, {"retried": 0}),
        ("delete", {"errorClass": "expired"}, {"deleted": 0}),
        ("delete", {"accountId": "work"}, {"deleted": 0}),
    ):
        answer = await ask(talking, "POST", f"/api/dead-letters/{target}", [BEARER], json.dumps(body).encode())
        assert (answer.status, answer.json) == (200, expected)
    async with path.hub.subscribe(types=("message.failed",)) as events:
        answer = await ask(talking, "POST", "/api/dead-letters/retry", [BEARER], b'{"chatId": "nowhere"}')
        assert answer.json == {"retried": 3}
        failed = set[object]()
        with trio.fail_after(5):
            while failed != letters:
                failed |= {event.data["messageId"] for event in await events.receive()}
    answer = await ask(talking, "POST", "/api/dead-letters/delete", [BEARER], b"{}")
    assert answer.json == {"deleted": 3}
    assert (await ask(talking, "GET", "/api/outbound", [BEARER])).json["items"] == []


@pytest.mark.parametrize("body", [b"[]", b'{"state": "sent"}', b'{"channel": 5}', b'{"errorClass": "odd"}'])
async def test_a_selection_that_is_none_changes_nothing(talking: QuartTrio, path: MessagePath, body: bytes) -> None:
    await path.dead_letter()
    for target in ("retry", "delete"):
        answer = await ask(talking, "POST", f"/api/dead-letters/{target}", [BEARER], body)
        assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")
    assert len((await ask(talking, "GET", "/api/outbound", [BEARER])).json["items"]) == 1
