from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from quart_trio import QuartTrio

from tests.fakes.asgi import Answer, ask
from tests.fakes.generation import BEARER
from tests.fakes.message_path import MessagePath
from xopc.contracts.messages import Address, Outbound, OutboxState, PeerKind

HELLO: dict[str, Any] = {"channel": "pigeons", "chat_id": "5", "content": "Hello"}


async def post(app: QuartTrio, target: str, body: dict[str, Any], **headers: str) -> Answer:
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return await ask(app, "POST", target, [BEARER, *lines], json.dumps(body).encode())


# POST /api/message


async def test_a_message_is_stored_when_it_is_answered_and_sent_after_that(
    talking: QuartTrio, path: MessagePath
) -> None:
    answer = await post(talking, "/api/message", HELLO)
    assert answer.status == 200
    assert answer.json.keys() == {"status", "message_id"}
    assert answer.json["status"] == "ok"
    assert await path.storage.outbox_row(answer.json["message_id"]) is not None
    await path.until(answer.json["message_id"], OutboxState.SENT)
    assert path.pigeons.sent == [Outbound(Address("pigeons", "default", "5"), "Hello")]


@pytest.mark.parametrize(
    ("changes", "outbound"),
    [
        ({"accountId": "work"}, Outbound(Address("pigeons", "work", "5"), "Hello")),
        ({"accountId": None}, Outbound(Address("pigeons", "default", "5"), "Hello")),
        ({"chat_id": 5}, Outbound(Address("pigeons", "default", "5"), "Hello")),
        ({"chat_id": -100}, Outbound(Address("pigeons", "default", "-100"), "Hello")),
        (
            {"threadId": 4, "replyToMessageId": 9, "silent": True},
            Outbound(Address("pigeons", "default", "5", "4"), "Hello", reply_to="9", silent=True),
        ),
        ({"ttlSeconds": 60}, Outbound(Address("pigeons", "default", "5"), "Hello", ttl_seconds=60)),
        ({"content": " 你好\n"}, Outbound(Address("pigeons", "default", "5"), " 你好\n")),
    ],
)
async def test_a_message_goes_where_it_says(
    talking: QuartTrio, path: MessagePath, changes: dict[str, Any], outbound: Outbound
) -> None:
    answer = await post(talking, "/api/message", HELLO | changes)
    await path.until(answer.json["message_id"], OutboxState.SENT)
    assert path.pigeons.sent == [outbound]


async def test_chat_id_may_be_spelled_in_camel_case(talking: QuartTrio, path: MessagePath) -> None:
    body = {"channel": "pigeons", "chatId": 7, "content": "Hello"}
    answer = await post(talking, "/api/message", body)
    await path.until(answer.json["message_id"], OutboxState.SENT)
    assert path.pigeons.sent[0].address.chat == "7"


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"channel": "owls"}, "CHANNEL_NOT_FOUND", "There is no such channel, or it is disabled."),
        ({"content": ""}, "INVALID_REQUEST", "Invalid message content"),
        ({"content": " \n\t"}, "INVALID_REQUEST", "Invalid message content"),
        ({"content": "x" * 100_001}, "INVALID_REQUEST", "Invalid message content"),
        ({"content": None}, "INVALID_REQUEST", "$.content: must be a text, not null"),
        ({"chat_id": ""}, "INVALID_REQUEST", "$.chat_id: must have 1 to 256 characters"),
        ({"chat_id": None}, "INVALID_REQUEST", "$.chat_id: must be a text or a whole number"),
        ({"accountId": "home"}, "INVALID_REQUEST", "$.accountId: names no enabled account"),
        ({"ttlSeconds": 0}, "INVALID_REQUEST", "$.ttlSeconds: must be 1 to 2592000"),
        ({"ttlSeconds": 2592001}, "INVALID_REQUEST", "$.ttlSeconds: must be 1 to 2592000"),
        ({"ttlSeconds": "1 h"}, "INVALID_REQUEST", "$.ttlSeconds: must be a whole number"),
        ({"silent": "yes"}, "INVALID_REQUEST", "$.silent: must be true or false"),
        ({"mediaUrl": "https://example.com/a.png"}, "INVALID_REQUEST", "$.mediaUrl: unknown key"),
    ],
)
async def test_a_message_that_cannot_be_sent_is_refused(
    talking: QuartTrio, path: MessagePath, changes: dict[str, Any], code: str, message: str
) -> None:
    for target in ("/api/message", "/api/message/sync"):
        answer = await post(talking, target, HELLO | changes)
        assert answer.status == (404 if code == "CHANNEL_NOT_FOUND" else 400)
        assert answer.error[0] == code
        assert answer.error[1].startswith(message)
    assert path.pigeons.sent == []


@pytest.mark.parametrize("missing", HELLO)
async def test_what_is_missing_is_named(talking: QuartTrio, missing: str) -> None:
    answer = await post(talking, "/api/message", {key: value for key, value in HELLO.items() if key != missing})
    assert (answer.status, answer.error) == (400, ("INVALID_REQUEST", f"$.{missing}: is missing"))


async def test_the_same_key_sends_one_message(talking: QuartTrio, path: MessagePath) -> None:
    first = await post(talking, "/api/message", HELLO, idempotency_key="k1")
    again = await post(talking, "/api/message", HELLO, idempotency_key="k1")
    in_body = await post(talking, "/api/message", HELLO | {"idempotency_key": "k1"})
    other = await post(talking, "/api/message", HELLO, idempotency_key="k2")
    assert first.json == again.json == in_body.json != other.json
    await path.until(other.json["message_id"], OutboxState.SENT)
    assert len(path.pigeons.sent) == 2


async def test_the_same_key_for_another_message_is_a_conflict(talking: QuartTrio) -> None:
    await post(talking, "/api/message", HELLO, idempotency_key="k1")
    answer = await post(talking, "/api/message", HELLO | {"content": "Bye"}, idempotency_key="k1")
    assert (answer.status, answer.error[0]) == (409, "CONFLICT")


@pytest.mark.parametrize(("header", "in_body"), [("", None), (" ", None), ("k" * 256, None), ("k1", "k2")])
async def test_a_key_that_is_none_is_refused(talking: QuartTrio, header: str, in_body: str | None) -> None:
    answer = await post(talking, "/api/message", HELLO | {"idempotency_key": in_body}, idempotency_key=header)
    assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")
    assert answer.error[1].startswith("Idempotency-Key: ")


@pytest.mark.parametrize("key", ["", " k", "k ", "k\n", "k" * 256, "\u043a"])
async def test_a_key_of_the_body_is_one_that_a_header_could_hold(talking: QuartTrio, key: str) -> None:
    answer = await post(talking, "/api/message", HELLO | {"idempotency_key": key})
    assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")
    assert answer.error[1].startswith("$.idempotency_key: must match")
    assert (await post(talking, "/api/message", HELLO | {"idempotency_key": "k" * 255})).status == 200


async def test_a_message_to_a_chat_that_is_not_there_becomes_a_dead_letter(
    talking: QuartTrio, path: MessagePath
) -> None:
    answer = await post(talking, "/api/message", HELLO | {"chat_id": "nowhere"})
    assert answer.status == 200
    await path.until(answer.json["message_id"], OutboxState.DEAD)


# POST /api/message/sync


async def test_the_agent_answers_as_if_the_chat_had_spoken(talking: QuartTrio, path: MessagePath) -> None:
    answer = await post(talking, "/api/message/sync", HELLO)
    assert (answer.status, answer.json) == (200, {"status": "ok", "reply": "Hello (1)"})
    (turn,) = path.script.turns
    assert turn.inbound.address == Address("pigeons", "default", "5")
    assert turn.inbound.peer_kind is PeerKind.DM
    assert turn.session_key == str(path.route(turn.inbound))
    assert (turn.deliver, turn.bound) == (True, False)
    with trio.fail_after(5):
        await path.pigeons.arrived.wait()
    assert path.pigeons.sent == [Outbound(Address("pigeons", "default", "5"), "Hello (1)")]


async def test_without_deliver_only_the_caller_gets_the_answer(talking: QuartTrio, path: MessagePath) -> None:
    answer = await post(talking, "/api/message/sync", HELLO | {"deliver": False, "accountId": "work"})
    assert answer.json == {"status": "ok", "reply": "Hello (1)"}
    (turn,) = path.script.turns
    assert turn.inbound.address.account == "work"
    assert (turn.deliver, turn.bound) == (False, True)
    assert await path.storage.outbox_lanes("", 1) == []
    assert path.pigeons.sent == []


async def test_a_group_is_known_by_its_negative_id(talking: QuartTrio, path: MessagePath) -> None:
    await post(talking, "/api/message/sync", HELLO | {"chat_id": -100})
    assert path.script.turns[0].session_key == "main:pigeons:default:group:-100"


async def test_an_agent_that_says_nothing_gives_an_empty_reply(talking: QuartTrio) -> None:
    answer = await post(talking, "/api/message/sync", HELLO | {"content": "quiet"})
    assert answer.json == {"status": "ok", "reply": ""}


@pytest.mark.parametrize(
    ("content", "status", "message"), [("fail", 502, "The model is gone."), ("slow", 504, "It took too long.")]
)
async def test_an_agent_that_fails_is_an_agent_error(
    talking: QuartTrio, content: str, status: int, message: str
) -> None:
    answer = await post(talking, "/api/message/sync", HELLO | {"content": content})
    assert (answer.status, answer.error) == (status, ("AGENT_ERROR", message))


async def test_the_same_key_joins_the_first_turn(talking: QuartTrio, path: MessagePath) -> None:
    answers: list[Answer] = []

    async def ask_once() -> None:
        answers.append(await post(talking, "/api/message/sync", HELLO | {"content": "wait"}, idempotency_key="k1"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_once)
        with trio.fail_after(5):
            await path.script.begun.wait()
        nursery.start_soon(ask_once)
        await trio.sleep(0.05)
        path.script.go.set()
    assert [answer.json["reply"] for answer in answers] == ["Waited", "Waited"]
    assert len(path.script.turns) == 1


async def test_the_same_key_with_another_message_is_a_conflict(talking: QuartTrio, path: MessagePath) -> None:
    first = await post(talking, "/api/message/sync", HELLO, idempotency_key="k1")
    same = await post(talking, "/api/message/sync", HELLO | {"chat_id": 5, "silent": True}, idempotency_key="k1")
    assert first.json == same.json
    for other in ({"chat_id": "6"}, {"content": "Bye"}, {"deliver": False}, {"accountId": "work"}):
        refused = await post(talking, "/api/message/sync", HELLO | other, idempotency_key="k1")
        assert (refused.status, refused.error[0]) == (409, "CONFLICT")
    assert len(path.script.turns) == 1
