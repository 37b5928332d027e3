from __future__ import annotations

import pytest
from quart_trio import QuartTrio

from tests.fakes.asgi import ask
from tests.fakes.generation import BEARER
from tests.fakes.message_path import MessagePath
from xopc.contracts.messages import Address, Outbound, OutboxState


async def test_dead_letters_are_listed_with_what_went_wrong(talking: QuartTrio, path: MessagePath) -> None:
    message_id = await path.dead_letter()
    answer = await ask(talking, "GET", "/api/outbound", [BEARER])
    assert answer.status == 200
    (item,) = answer.json["items"]
    assert answer.json == {"items": [item], "limit": 50, "offset": 0, "hasMore": False}
    assert item == {
        "id": message_id,
        "channel": "pigeons",
        "accountId": "default",
        "chatId": "nowhere",
        "threadId": None,
        "content": "Is anybody there?",
        "state": "dead",
        "createdAt": item["createdAt"],
        "attempts": 1,
        "nextAttemptAt": item["nextAttemptAt"],
        "partsSent": 0,
        "lastError": "there is no such chat",
        "possibleDuplicate": False,
    }
    assert item["createdAt"].endswith("Z")


async def test_other_states_are_listed_when_asked_for(talking: QuartTrio, path: MessagePath) -> None:
    message_id, _ = await path.outbox.enqueue(Outbound(Address("pigeons", "work", "5", "4"), "Hello"))
    await path.until(message_id, OutboxState.SENT)
    await path.dead_letter()
    for state, count in (("sent", 1), ("dead", 1), ("pending", 0), ("inflight", 0)):
        answer = await ask(talking, "GET", f"/api/outbound?state={state}", [BEARER])
        assert [item["state"] for item in answer.json["items"]] == [state] * count


async def test_the_list_comes_in_pages_the_newest_first(talking: QuartTrio, path: MessagePath) -> None:
    oldest, middle, newest = [await path.dead_letter() for _ in range(3)]
    first = (await ask(talking, "GET", "/api/outbound?limit=2", [BEARER])).json
    assert ([item["id"] for item in first["items"]], first["hasMore"]) == ([newest, middle], True)
    second = (await ask(talking, "GET", "/api/outbound?limit=2&offset=2", [BEARER])).json
    assert ([item["id"] for item in second["items"]], second["hasMore"]) == ([oldest], False)


@pytest.mark.parametrize("query", ["state=lost", "limit=0", "limit=501", "limit=x", "offset=-1"])
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
    assert (answer.status, answer.json) == (200, {"deleted": True})
    assert (await ask(talking, "GET", "/api/outbound", [BEARER])).json["items"] == []


async def test_only_dead_letters_can_be_decided_about(talking: QuartTrio, path: MessagePath) -> None:
    sent, _ = await path.outbox.enqueue(Outbound(Address("pigeons", "default", "5"), "Hello"))
    await path.until(sent, OutboxState.SENT)
    for message_id in (sent, "nothing", "%25"):
        for method, target in (
            ("POST", f"/api/outbound/{message_id}/retry"),
            ("DELETE", f"/api/outbound/{message_id}"),
        ):
            answer = await ask(talking, method, target, [BEARER])
            assert (answer.status, answer.error[0]) == (404, "NOT_FOUND")
