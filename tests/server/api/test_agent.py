from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import trio
from quart_trio import QuartTrio
from trio.testing import wait_all_tasks_blocked

from tests.fakes.asgi import Answer, EventClient, ask, follow
from tests.fakes.door import open_door
from tests.fakes.generation import BEARER, Generation
from tests.fakes.message_path import MessagePath, open_message_path
from xopc.contracts.settings.file import AgentEntry, AgentsSettings, Settings
from xopc.contracts.transcript import RunState
from xopc.server.api.turns import ANSWER_IS_GONE
from xopc.server.app import build_app
from xopc.server.wire.gate import Gate

STREAM = (b"accept", b"text/event-stream")


def serving(path: MessagePath) -> QuartTrio:
    gate = Gate()
    gate.open(Generation(path=path).services())
    return build_app(gate, open_door())


async def say(app: QuartTrio, message: str = "Hello", /, **body: Any) -> Answer:  # noqa: ANN401 - JSON is of any kind
    return await ask(app, "POST", "/api/agent", [BEARER], json.dumps({"message": message, **body}).encode())


def streamed(app: QuartTrio, message: str = "Hello", /, **body: Any) -> Any:  # noqa: ANN401 - JSON is of any kind
    text = json.dumps({"message": message, **body}).encode()
    return follow(app, "POST", "/api/agent", [BEARER, STREAM], text)


def resumed(app: QuartTrio, run_id: str, last_id: str | None = None) -> Any:  # noqa: ANN401 - a context manager
    lines = [BEARER] if last_id is None else [BEARER, (b"last-event-id", last_id.encode())]
    return follow(app, "POST", "/api/agent/resume", lines, json.dumps({"runId": run_id}).encode())


async def begun(path: MessagePath) -> None:
    with trio.fail_after(5):
        await path.script.begun.wait()


# JSON


async def test_an_agent_answers(talking: QuartTrio, path: MessagePath) -> None:
    answer = await say(talking, session="notes")
    assert answer.status == 200
    run_id = answer.json["runId"]
    assert str(UUID(run_id)) == run_id
    assert answer.json == {
        "status": "ok",
        "reply": "Hello (1)",
        "session": "notes",
        "sessionKey": "main:webchat:default:direct:notes",
        "runId": run_id,
        "usage": {"input": 3, "output": 2},
        "model": "fake/model",
    }
    assert path.script.turns[0].deliver is False


async def test_without_a_session_it_is_the_default_one_and_keeps_its_history(talking: QuartTrio) -> None:
    first, second = await say(talking), await say(talking, "Again")
    assert first.json["session"] == second.json["session"] == "default"
    assert [first.json["reply"], second.json["reply"]] == ["Hello (1)", "Again (3)"]


@pytest.mark.parametrize("key", ["sessionKey", "chatId"])
async def test_a_session_has_other_spellings(talking: QuartTrio, key: str) -> None:
    assert (await say(talking, **{key: "notes"})).json["session"] == "notes"


async def test_a_session_of_a_channel_is_continued_by_its_key(talking: QuartTrio, path: MessagePath) -> None:
    key = "main:pigeons:work:group:-100"
    answer = await say(talking, session=key)
    assert (answer.json["session"], answer.json["sessionKey"]) == (key, key)
    assert path.pigeons.sent == []


async def test_a_new_session_is_named_in_the_answer(talking: QuartTrio) -> None:
    first, second = await say(talking, newSession=True), await say(talking, newSession=True)
    assert first.json["sessionKey"] != second.json["sessionKey"]
    again = await say(talking, session=first.json["session"])
    assert again.json["sessionKey"] == first.json["sessionKey"]
    assert again.json["reply"] == "Hello (3)"


async def test_a_model_is_for_one_turn(talking: QuartTrio) -> None:
    assert (await say(talking, model="other/model")).json["model"] == "other/model"
    assert (await say(talking)).json["model"] == "fake/model"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": " \n"}, "Invalid message content"),
        ({"message": "x" * 100_001}, "Invalid message content"),
        ({"message": 5}, "$.message: must be a text"),
        ({}, "$.message: is missing"),
        ({"message": "a", "session": ""}, "$.session: "),
        ({"message": "a", "session": "-a"}, "$.session: "),
        ({"message": "a", "session": "a b"}, "$.session: "),
        ({"message": "a", "chatId": "a/b"}, "$.session: "),
        ({"message": "a", "session": "a", "chatId": "a"}, "$: chatId is another spelling of session"),
        ({"message": "a", "agentId": "nobody"}, "$.agentId: names no enabled agent"),
        ({"message": "a", "session": "nobody:webchat:default:direct:a"}, "$.session: names no enabled agent"),
        ({"message": "a", "model": "fast"}, "$.model: "),
        ({"message": "a", "model": "missing/model"}, '$.model: There is no model "missing/model".'),
        ({"message": "a", "onBusy": "panic"}, "$.onBusy: must be one of"),
    ],
)
async def test_a_body_that_is_wrong_is_refused_with_its_place(
    talking: QuartTrio, path: MessagePath, body: dict[str, Any], message: str
) -> None:
    answer = await ask(talking, "POST", "/api/agent", [BEARER, STREAM], json.dumps(body).encode())
    assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")
    assert answer.error[1].startswith(message)
    assert path.script.turns == []


@pytest.mark.parametrize(
    ("message", "status", "told"), [("fail", 502, "The model is gone."), ("slow", 504, "It took too long.")]
)
async def test_an_agent_that_fails_is_an_agent_error(talking: QuartTrio, message: str, status: int, told: str) -> None:
    answer = await say(talking, message)
    assert (answer.status, answer.error) == (status, ("AGENT_ERROR", told))


async def test_what_the_agent_keeps_to_itself_is_an_empty_reply(talking: QuartTrio) -> None:
    assert (await say(talking, "quiet")).json["reply"] == ""


async def test_an_agent_may_be_chosen(tmp_path: Path) -> None:
    agents = AgentsSettings(list=(AgentEntry("main"), AgentEntry("coder")))
    async with open_message_path(tmp_path / "xopc.db", Settings(agents=agents)) as path:
        answer = await say(serving(path), agentId="coder")
    assert answer.json["sessionKey"] == "coder:webchat:default:direct:default"


# who waits


async def test_a_busy_session_keeps_callers_waiting_or_turns_them_away(talking: QuartTrio, path: MessagePath) -> None:
    answers: list[Answer] = []

    async def first() -> None:
        answers.append(await say(talking, "wait"))

    async def second() -> None:
        answers.append(await say(talking, "Hello", onBusy="wait"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(first)
        await begun(path)
        refused = await say(talking, onBusy="reject")
        elsewhere = await say(talking, onBusy="reject", session="elsewhere")
        nursery.start_soon(second)
        path.script.go.set()
    assert (refused.status, refused.error[0]) == (409, "CONFLICT")
    assert elsewhere.status == 200
    assert [answer.json["reply"] for answer in answers] == ["Waited", "Hello (3)"]


async def leave(app: QuartTrio, *lines: tuple[bytes, bytes]) -> None:
    """Say something, and go away before it is answered."""
    with trio.move_on_after(0.3):
        await ask(app, "POST", "/api/agent", [BEARER, *lines], b'{"message": "Hello"}')


async def test_a_caller_who_leaves_before_his_turn_has_begun_is_not_answered(
    talking: QuartTrio, path: MessagePath
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, talking, "wait")
        await begun(path)
        await leave(talking)
        path.script.go.set()
    assert (await say(talking, "Bye")).json["reply"] == "Bye (3)"
    assert [turn.inbound.text for turn in path.script.turns] == ["wait", "Bye"]


async def test_a_caller_with_a_key_is_answered_even_if_he_leaves(talking: QuartTrio, path: MessagePath) -> None:
    key = (b"idempotency-key", b"k1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, talking, "wait")
        await begun(path)
        await leave(talking, key)
        path.script.go.set()
    again = await ask(talking, "POST", "/api/agent", [BEARER, key], b'{"message": "Hello"}')
    assert again.json["reply"] == "Hello (3)"
    assert len(path.script.turns) == 2


async def test_a_turn_that_has_begun_goes_on_without_its_caller(talking: QuartTrio, path: MessagePath) -> None:
    with trio.move_on_after(5) as caller:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(say, talking, "wait")
            await begun(path)
            caller.cancel()
    path.script.go.set()
    run_id = path.script.turns[0].run_id
    assert (await path.sessions.wait(run_id)).reply == "Waited"


async def test_the_same_request_with_the_same_key_joins_the_first_run(talking: QuartTrio, path: MessagePath) -> None:
    first, again = [await say(talking, idempotency_key="k1") for _ in range(2)]
    named = await say(talking, idempotency_key="k1", session="default", onBusy="reject")
    async with streamed(talking, idempotency_key="k1") as client:
        events = await client.events()
    assert first.json == again.json == named.json
    assert events[-1].json["runId"] == first.json["runId"]
    assert len(path.script.turns) == 1


@pytest.mark.parametrize(
    "other", [{"session": "elsewhere"}, {"model": "other/model"}, {"newSession": True}, {"channel": "cli"}]
)
async def test_the_same_key_with_another_request_is_a_conflict_and_changes_nothing(
    talking: QuartTrio, path: MessagePath, other: dict[str, Any]
) -> None:
    await say(talking, idempotency_key="k1")
    for refused in (
        await say(talking, idempotency_key="k1", **other),
        await say(talking, "Bye", idempotency_key="k1"),
        await ask(talking, "POST", "/api/agent", [BEARER, STREAM, (b"idempotency-key", b"k1")], b'{"message": "Bye"}'),
    ):
        assert (refused.status, refused.error[0]) == (409, "CONFLICT")
        assert refused.error[1].startswith('The idempotency key "k1" was used for another message')
    assert len(path.script.turns) == 1


async def test_a_key_is_the_gateways_whatever_is_asked_for_with_it(talking: QuartTrio, path: MessagePath) -> None:
    to_a_chat = {"channel": "pigeons", "chat_id": "5", "content": "Hello"}
    await say(talking, idempotency_key="k1")
    for target in ("/api/message", "/api/message/sync"):
        body = json.dumps({**to_a_chat, "idempotency_key": "k1"}).encode()
        assert (await ask(talking, "POST", target, [BEARER], body)).status == 409
    body = json.dumps({**to_a_chat, "idempotency_key": "k2"}).encode()
    assert (await ask(talking, "POST", "/api/message", [BEARER], body)).status == 200
    assert (await say(talking, idempotency_key="k2")).status == 409
    assert len(path.script.turns) == 1


async def test_a_caller_with_a_key_joins_his_run_in_a_session_that_is_busy_with_it(
    talking: QuartTrio, path: MessagePath
) -> None:
    answers: list[Answer] = []

    async def ask_once() -> None:
        answers.append(await say(talking, "wait", idempotency_key="k1", onBusy="reject"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_once)
        await begun(path)
        nursery.start_soon(ask_once)
        await wait_all_tasks_blocked(0.05)
        path.script.go.set()
    assert [answer.json["reply"] for answer in answers] == ["Waited", "Waited"]
    assert len(path.script.turns) == 1


@pytest.mark.parametrize(("message", "status"), [("fail", 502), ("slow", 504)])
async def test_a_failure_is_given_again_and_the_work_not_done_twice(
    talking: QuartTrio, path: MessagePath, message: str, status: int
) -> None:
    first, again = [await say(talking, message, idempotency_key="k1") for _ in range(2)]
    assert (first.status, first.error) == (again.status, again.error)
    assert again.status == status
    assert len(path.script.turns) == 1


async def test_an_aborted_run_is_given_again_as_it_was(talking: QuartTrio, path: MessagePath) -> None:
    answers: list[Answer] = []

    async def caller() -> None:
        answers.append(await say(talking, "wait", idempotency_key="k1"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(caller)
        await begun(path)
        await wait_all_tasks_blocked(0.05)
        await abort(talking, path.script.turns[0].run_id)
    again = await say(talking, "wait", idempotency_key="k1")
    assert (again.status, again.json) == (200, answers[0].json)
    assert (again.json["status"], again.json["reply"]) == ("aborted", "Wait")
    assert len(path.script.turns) == 1


async def test_an_answer_that_was_deleted_is_gone_and_not_made_anew(talking: QuartTrio, path: MessagePath) -> None:
    first = await say(talking, idempotency_key="k1")
    await ask(talking, "DELETE", f"/api/sessions/{first.json['sessionKey']}", [BEARER])
    again = await say(talking, idempotency_key="k1")
    assert (again.status, again.error) == (404, ("NOT_FOUND", ANSWER_IS_GONE))
    assert len(path.script.turns) == 1


async def test_an_answer_is_given_again_by_another_process(tmp_path: Path) -> None:
    async with open_message_path(tmp_path / "xopc.db") as path:
        first = await say(serving(path), idempotency_key="k1")
    async with open_message_path(tmp_path / "xopc.db") as path:
        assert (await say(serving(path), idempotency_key="k1")).json == first.json
        assert (await say(serving(path), "Bye", idempotency_key="k1")).status == 409
        assert path.script.turns == []


async def test_a_new_session_with_a_key_is_made_once(talking: QuartTrio) -> None:
    first, again = [await say(talking, newSession=True, idempotency_key="k1") for _ in range(2)]
    assert first.json["sessionKey"] == again.json["sessionKey"]
    # What either of them is told leads to where the first message was said.
    for told in (first, again):
        answer = await say(talking, "And then?", session=told.json["session"])
        assert answer.json["sessionKey"] == first.json["sessionKey"]
    async with streamed(talking, newSession=True, idempotency_key="k1") as client:
        assert (await client.events())[-1].json["session"] == first.json["sessionKey"]


async def test_a_drain_sends_those_away_whose_turn_has_not_begun(talking: QuartTrio, path: MessagePath) -> None:
    answers: list[Answer] = []

    async def wait_behind() -> None:
        answers.append(await say(talking, "Hello"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, talking, "wait")
        await begun(path)
        nursery.start_soon(wait_behind)
        with trio.fail_after(5):
            async with path.hub.subscribe() as events:
                while not path.sessions.waiting("main:webchat:default:direct:default"):
                    path.hub.publish("tick", {})
                    await events.receive()
        nursery.start_soon(path.sessions.drain)
        await wait_all_tasks_blocked(0.05)
        path.script.go.set()
    assert (answers[0].status, answers[0].error[0]) == (503, "UNAVAILABLE")
    refused = await say(talking)
    assert (refused.status, refused.error[0]) == (503, "UNAVAILABLE")
    assert len(path.script.turns) == 1


# streams


async def test_a_stream_begins_with_accepted_and_ends_with_the_result(talking: QuartTrio) -> None:
    async with streamed(talking, session="notes") as client:
        events = await client.events()
    assert client.headers["content-type"] == "text/event-stream"
    assert client.headers["cache-control"] == "no-cache"
    run_id = events[0].json["runId"]
    assert [(event.id, event.event, event.json) for event in events] == [
        ("1", "status", {"type": "status", "status": "accepted", "runId": run_id}),
        ("2", "progress", {"type": "progress", "stage": "thinking", "message": "Thinking"}),
        ("3", "token", {"type": "token", "content": "Hello"}),
        ("4", "token", {"type": "token", "content": " "}),
        ("5", "token", {"type": "token", "content": "(1)"}),
        ("6", "message_end", {"type": "message_end"}),
        (
            "7",
            "result",
            {
                "ok": True,
                "payload": {"status": "ok", "summary": "Hello (1)"},
                "status": "ok",
                "reply": "Hello (1)",
                "session": "notes",
                "sessionKey": "main:webchat:default:direct:notes",
                "runId": run_id,
                "usage": {"input": 3, "output": 2},
                "model": "fake/model",
            },
        ),
    ]


async def test_accepted_is_told_while_the_agent_works(talking: QuartTrio, path: MessagePath) -> None:
    async with streamed(talking, "wait") as client:
        accepted = await client.event()
        assert accepted.json["status"] == "accepted"
        assert [(await client.event()).event for _ in range(2)] == ["progress", "token"]
        assert not client.has_ended
        path.script.go.set()
        assert (await client.events())[-1].json["reply"] == "Waited"


async def test_accepted_means_that_it_outlives_its_caller_and_its_process(
    talking: QuartTrio, path: MessagePath
) -> None:
    async with streamed(talking, "wait"):
        await begun(path)
    async with streamed(talking, "Hello") as waiting:
        run_id = (await waiting.event()).json["runId"]
    assert not await path.storage.withdraw(run_id)
    path.script.go.set()
    assert (await path.sessions.wait(run_id)).reply == "Hello (3)"


@pytest.mark.parametrize(("message", "summary"), [("fail", "The model is gone."), ("slow", "It took too long.")])
async def test_a_stream_tells_how_an_agent_failed(talking: QuartTrio, message: str, summary: str) -> None:
    async with streamed(talking, message) as client:
        result = (await client.events())[-1]
    assert result.event == "result"
    assert result.json["ok"] is True
    assert result.json["payload"] == {"status": "error", "summary": summary}


async def test_data_that_json_cannot_carry_does_not_end_the_stream(talking: QuartTrio) -> None:
    async with streamed(talking, "odd") as client:
        events = await client.events()
    odd = next(event for event in events if event.event == "tool_start")
    assert odd.json["error"] == "sse_payload_serialize_failed"
    assert events[-1].json["reply"] == "Odd"


async def test_a_stream_ends_without_a_result_where_the_run_goes_on_elsewhere(tmp_path: Path) -> None:
    async with open_message_path(tmp_path / "xopc.db") as path, streamed(serving(path), "wait") as client:
        run_id = (await client.event()).json["runId"]
        await begun(path)
        path.end()
        events = await client.events()
    assert "result" not in [event.event for event in events]
    assert events[-1].event == "error"
    async with open_message_path(tmp_path / "xopc.db") as path:
        path.script.go.set()
        async with resumed(serving(path), run_id) as client:
            events = await client.events()
    assert events[0].json == {"type": "status", "status": "accepted", "runId": run_id}
    assert events[-1].json["reply"] == "Waited"


# resume


async def test_a_stream_can_be_had_again_from_its_beginning(talking: QuartTrio) -> None:
    async with streamed(talking, session="notes") as client:
        events = await client.events()
    run_id = events[0].json["runId"]
    async with resumed(talking, run_id) as client:
        again = await client.events()
    assert again[:-1] == events[:-1]
    assert again[-1].json == {**events[-1].json, "session": "main:webchat:default:direct:notes"}


@pytest.mark.parametrize(
    ("last_id", "first"), [("1", "2"), ("5", "6"), ("6", "7"), ("99", "1"), ("x", "1"), ("-1", "1"), ("9" * 30, "1")]
)
async def test_a_stream_goes_on_where_it_was_lost(talking: QuartTrio, last_id: str, first: str) -> None:
    run_id = (await say(talking)).json["runId"]
    async with resumed(talking, run_id, last_id) as client:
        events = await client.events()
    assert [event.id for event in events] == [str(number) for number in range(int(first), 8)]
    assert events[-1].event == "result"


async def test_a_running_stream_is_replayed_and_goes_on(talking: QuartTrio, path: MessagePath) -> None:
    async with streamed(talking, "wait") as lost:
        run_id = (await lost.event()).json["runId"]
        await begun(path)
    clients: list[EventClient] = []
    async with resumed(talking, run_id) as one, resumed(talking, run_id, "2") as other:
        clients += [one, other]
        assert [(await one.event()).event for _ in range(3)] == ["status", "progress", "token"]
        assert (await other.event()).event == "token"
        path.script.go.set()
        endings = [await client.events() for client in clients]
    assert endings[0] == endings[1]


async def test_a_run_whose_events_are_forgotten_has_its_result_alone(tmp_path: Path) -> None:
    async with open_message_path(tmp_path / "xopc.db") as path:
        run_id = (await say(serving(path))).json["runId"]
    async with open_message_path(tmp_path / "xopc.db") as path, resumed(serving(path), run_id) as client:
        accepted, result = await client.events()
    assert (accepted.event, accepted.json["runId"]) == ("status", run_id)
    assert (result.id, result.json["reply"]) == ("2", "Hello (1)")


@pytest.mark.parametrize(
    "body",
    [
        {"session": "notes"},
        {"sessionKey": "main:webchat:default:direct:notes"},
        {"chatId": "agent:main:webchat:default:direct:Notes"},
    ],
)
async def test_a_run_is_found_by_its_session_while_it_runs_and_not_afterwards(
    talking: QuartTrio, path: MessagePath, body: dict[str, str]
) -> None:
    raw = json.dumps(body).encode()
    async with streamed(talking, "wait", session="notes") as lost:
        run_id = (await lost.event()).json["runId"]
        await begun(path)
    detail = await ask(talking, "GET", "/api/sessions/main:webchat:default:direct:notes", [BEARER])
    assert detail.json["session"]["activeRun"] == run_id
    async with follow(talking, "POST", "/api/agent/resume", [BEARER], raw) as client:
        assert (await client.event()).json["runId"] == run_id
        path.script.go.set()
        assert (await client.events())[-1].json["reply"] == "Waited"
    answer = await ask(talking, "POST", "/api/agent/resume", [BEARER], raw)
    assert (answer.status, answer.error[0]) == (404, "NOT_FOUND")
    detail = await ask(talking, "GET", "/api/sessions/main:webchat:default:direct:notes", [BEARER])
    assert detail.json["session"]["activeRun"] is None


async def test_without_a_name_it_is_the_default_session_that_is_resumed_and_stopped(
    talking: QuartTrio, path: MessagePath
) -> None:
    assert (await ask(talking, "POST", "/api/agent/resume", [BEARER], b"{}")).status == 404
    async with streamed(talking, "wait") as client:
        await client.event()
        await begun(path)
        aborted = await ask(talking, "POST", "/api/agent/abort", [BEARER], b"{}")
        assert aborted.json["payload"] == {"aborted": True}
        assert (await client.events())[-1].json["status"] == "aborted"
    aborted = await ask(talking, "POST", "/api/agent/abort", [BEARER], b'{"session": "elsewhere"}')
    assert aborted.json["payload"] == {"aborted": False}


async def test_an_unknown_run_is_not_found(talking: QuartTrio) -> None:
    answer = await ask(talking, "POST", "/api/agent/resume", [BEARER], b'{"runId": "nothing"}')
    assert (answer.status, answer.error[0]) == (404, "NOT_FOUND")


async def test_a_stream_of_a_repeated_message_is_that_of_the_first(talking: QuartTrio, path: MessagePath) -> None:
    async with streamed(talking, idempotency_key="k1") as client:
        first = await client.events()
    async with streamed(talking, idempotency_key="k1") as client:
        again = await client.events()
    assert first == again
    assert len(path.script.turns) == 1


# abort


async def abort(app: QuartTrio, run_id: str) -> Answer:
    return await ask(app, "POST", "/api/agent/abort", [BEARER], json.dumps({"runId": run_id}).encode())


async def test_an_abort_keeps_what_there_is_of_the_answer(talking: QuartTrio, path: MessagePath) -> None:
    answers: list[Answer] = []

    async def caller() -> None:
        answers.append(await say(talking, "wait"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(caller)
        await begun(path)
        await wait_all_tasks_blocked(0.05)
        aborted = await abort(talking, path.script.turns[0].run_id)
    assert aborted.json == {"ok": True, "payload": {"aborted": True}}
    assert (answers[0].status, answers[0].json["status"], answers[0].json["reply"]) == (200, "aborted", "Wait")


async def test_an_aborted_stream_ends_with_its_result(talking: QuartTrio, path: MessagePath) -> None:
    async with streamed(talking, "wait") as client:
        run_id = (await client.event()).json["runId"]
        await begun(path)
        await abort(talking, run_id)
        assert (await client.events())[-1].json["payload"]["status"] == "aborted"
    result = await path.storage.result(run_id)
    assert result is not None
    assert result.state is RunState.ABORTED


async def test_where_nothing_runs_nothing_is_aborted(talking: QuartTrio) -> None:
    run_id = (await say(talking)).json["runId"]
    for ended in (run_id, "nothing"):
        assert (await abort(talking, ended)).json == {"ok": True, "payload": {"aborted": False}}
