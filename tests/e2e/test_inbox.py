"""Messages that cannot be answered, and requests that come again, against the running gateway."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from tests.e2e.harness import Gateway, Reply, until
from tests.e2e.outside import Outside, ask
from xopc.core.sessions.parking import APOLOGY

JSON = {"Content-Type": "application/json"}


def parked(gateway: Gateway) -> list[str]:
    return [item["runId"] for item in gateway.request("GET", "/api/inbox").json["items"]]


def kill_when_asked(gateway: Gateway, world: Outside, times: int) -> None:
    """Kill the process when the model has been asked so many times."""
    until(lambda: len(world.asked()) >= times, f"the model is asked {times} times", 40)
    os.kill(gateway.child_pid, signal.SIGKILL)


@pytest.mark.timeout(180)  # the supervisor waits longer before each start, and a turn has to come to its middle
def test_a_message_that_kills_three_processes_is_parked_and_its_session_goes_on(
    talking: Gateway, world: Outside
) -> None:
    world.write("slow:600")
    until(world.asked, "the model is asked")
    world.write("and me?")
    for times in (1, 2, 3):
        kill_when_asked(talking, world, times)
    assert world.until_sent(2, seconds=60) == [APOLOGY, "You said: and me?"]
    (run_id,) = parked(talking)
    assert talking.request("GET", "/api/status").json["inbox"] == {"waiting": 0, "running": 0, "parked": 1}
    listed = talking.xopc("inbox", "list")
    assert listed.returncode == 0, listed.stderr
    assert run_id in listed.stdout
    assert "The gateway's process died in the middle of it." in listed.stdout

    assert talking.xopc("inbox", "retry", run_id).returncode == 0
    until(lambda: len(world.asked()) == 5, "the model is asked anew")
    assert talking.request("GET", "/api/inbox?state=running").json["items"][0]["attempts"] == 0
    aborted = talking.request("POST", "/api/agent/abort", body=json.dumps({"runId": run_id}), headers=JSON)
    assert aborted.json["payload"] == {"aborted": True}
    assert parked(talking) == []


@pytest.mark.timeout(120)  # waits for a model that takes its time
def test_a_request_with_a_key_is_worked_on_once_though_the_process_is_killed(talking: Gateway, world: Outside) -> None:
    replies: list[Reply] = []

    def insist() -> None:
        """As a client does whose connection breaks."""

        def once() -> bool:
            try:
                replies.append(ask(talking, "slow:3", idempotency_key="report-1"))
            except OSError:
                return False
            return replies[-1].status == 200

        until(once, "the request is answered", 60)

    callers = [threading.Thread(target=insist) for _ in range(3)]
    for caller in callers:
        caller.start()
    kill_when_asked(talking, world, 1)
    for caller in callers:
        caller.join(60)
    answers = [reply.json for reply in replies if reply.status == 200]
    assert len(answers) == 3
    assert {answer["reply"] for answer in answers} == {"You said: slow:3"}
    assert len({answer["runId"] for answer in answers}) == 1

    os.kill(talking.child_pid, signal.SIGKILL)
    until(lambda: talking.health()["status"] == "healthy", "the next process serves")
    asked = len(world.asked())
    assert ask(talking, "slow:3", idempotency_key="report-1").json == answers[0]
    other = ask(talking, "something else", idempotency_key="report-1")
    assert (other.status, other.json["error"]["code"]) == (409, "CONFLICT")
    assert len(world.asked()) == asked
    session = talking.request("GET", f"/api/sessions/{answers[0]['sessionKey']}").json["session"]
    assert [message["content"] for message in session["messages"]] == ["slow:3", "You said: slow:3"]


@pytest.mark.timeout(120)  # waits for a model that takes its time
def test_a_chat_keeps_its_order_when_it_moves_to_another_session(talking: Gateway, world: Outside, home: Path) -> None:
    world.write("slow:4")
    until(world.asked, "the model is asked")
    world.write("second")
    until(lambda: talking.request("GET", "/api/status").json["inbox"]["waiting"] == 1, "the second message waits")
    config = home / ".xopc" / "xopc.json"
    document = json.loads(config.read_text())
    document["session"]["dmScope"] = "main"
    config.write_text(json.dumps(document))
    reloaded = talking.request("POST", "/api/config/reload")
    assert reloaded.status == 200, reloaded.body
    world.write("third")
    assert world.until_sent(3, seconds=30) == [f"You said: {text}" for text in ("slow:4", "second", "third")]
    keys = [item["key"] for item in talking.request("GET", "/api/sessions").json["items"]]
    assert sorted(keys) == ["main:main:default:dm:main", "main:telegram:default:dm:7"]
