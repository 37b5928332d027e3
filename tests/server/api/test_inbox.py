from __future__ import annotations

import json

import pytest
import trio
from quart_trio import QuartTrio
from trio.testing import wait_all_tasks_blocked

from tests.fakes.asgi import Answer, ask
from tests.fakes.generation import BEARER
from tests.fakes.message_path import MessagePath
from xopc.contracts.transcript import RunState
from xopc.core.sessions.parking import APOLOGY

CRASH = {"channel": "pigeons", "chat_id": "5", "content": "crash"}


async def crash(talking: QuartTrio) -> Answer:
    """What a caller is told of a message that the agent cannot even begin to answer."""
    with trio.fail_after(20):
        return await ask(talking, "POST", "/api/message/sync", [BEARER], json.dumps(CRASH).encode())


async def listed(talking: QuartTrio, state: str = "parked") -> list[str]:
    answer = await ask(talking, "GET", f"/api/inbox?state={state}", [BEARER])
    assert answer.status == 200
    return [item["runId"] for item in answer.json["items"]]


async def test_a_message_that_is_given_up_is_told_to_all_and_listed(talking: QuartTrio, path: MessagePath) -> None:
    """Some 3 s: the pauses between the attempts."""
    answer = await crash(talking)
    (run_id,) = {turn.run_id for turn in path.script.turns}
    assert (answer.status, answer.error[0]) == (502, "AGENT_ERROR")
    assert answer.error[1].startswith("Given up after 3 attempts: It failed inside (ZeroDivisionError)")
    with trio.fail_after(5):
        await path.pigeons.arrived.wait()
    assert [outbound.text for outbound in path.pigeons.sent] == [APOLOGY]
    page = (await ask(talking, "GET", "/api/inbox", [BEARER])).json
    (item,) = page["items"]
    assert page == {"items": [item], "limit": 50, "hasMore": False, "nextCursor": None}
    assert item == {
        "runId": run_id,
        "sessionKey": path.script.turns[0].session_key,
        "channel": "pigeons",
        "accountId": "default",
        "chatId": "5",
        "threadId": None,
        "sender": "5",
        "content": "crash",
        "state": "parked",
        "deliver": True,
        "acceptedAt": item["acceptedAt"],
        "attempts": 3,
        "lastError": "It failed inside (ZeroDivisionError); the log says more: xopc gateway logs.",
        "parkedAt": item["parkedAt"],
    }
    assert item["acceptedAt"] < item["parkedAt"]


async def test_a_parked_message_is_answered_when_it_is_retried(talking: QuartTrio, path: MessagePath) -> None:
    await crash(talking)
    run_id = path.script.turns[0].run_id
    path.script.is_sound = True
    answer = await ask(talking, "POST", f"/api/inbox/{run_id}/retry", [BEARER])
    assert (answer.status, answer.json) == (200, {"retried": True})
    result = await path.sessions.wait(run_id)
    assert (result.state, result.reply) == (RunState.DONE, "Crashed")
    assert await listed(talking) == []


async def test_a_parked_message_is_forgotten_when_it_is_deleted(talking: QuartTrio, path: MessagePath) -> None:
    await crash(talking)
    target = f"/api/inbox/{path.script.turns[0].run_id}"
    answer = await ask(talking, "DELETE", target, [BEARER])
    assert (answer.status, answer.json) == (200, {"deleted": True})
    assert await listed(talking) == []
    assert (await ask(talking, "DELETE", target, [BEARER])).status == 404


async def test_what_waits_and_what_runs_is_listed_and_cannot_be_decided_about(
    talking: QuartTrio, path: MessagePath
) -> None:
    async def say(text: str) -> None:
        await ask(talking, "POST", "/api/agent", [BEARER], json.dumps({"message": text}).encode())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, "wait")
        with trio.fail_after(5):
            await path.script.begun.wait()
        nursery.start_soon(say, "Hello")
        await wait_all_tasks_blocked(0.1)
        waiting = await listed(talking, "waiting")
        (running,) = await listed(talking, "running")
        assert running == path.script.turns[0].run_id != waiting[0]
        for run_id in (running, waiting[0], "nothing", "%25"):
            for method, target in (("POST", f"/api/inbox/{run_id}/retry"), ("DELETE", f"/api/inbox/{run_id}")):
                answer = await ask(talking, method, target, [BEARER])
                assert (answer.status, answer.error[0]) == (404, "NOT_FOUND")
        path.script.go.set()


@pytest.mark.parametrize(
    "query",
    ["state=lost", "limit=0", "limit=501", "limit=x", "cursor=x", "cursor=7", "cursor=outbox_7", "cursor=waiting_0_7"],
)
async def test_a_query_that_is_wrong_is_refused(talking: QuartTrio, query: str) -> None:
    answer = await ask(talking, "GET", f"/api/inbox?{query}", [BEARER])
    assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")
