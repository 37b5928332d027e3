"""Whole conversations: the real gateway between a Bot API server and a model provider, killed and restarted at will."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.harness import TOKEN, Gateway, until, write_config
from tests.e2e.outside import CHAT, Listener, Outside, ask

Start = Callable[..., Gateway]
JSON = {"Content-Type": "application/json"}


def send(gateway: Gateway, text: str, chat: int = CHAT, **fields: object) -> str:
    """`POST /api/message`: the id of a message that was acknowledged."""
    body = json.dumps({"channel": "telegram", "chat_id": str(chat), "content": text, **fields})
    reply = gateway.request("POST", "/api/message", body=body, headers=JSON)
    assert reply.status == 200, reply.body
    return reply.json["message_id"]


def test_a_telegram_message_is_answered_in_the_models_words(talking: Gateway, world: Outside) -> None:
    world.write("Hello there")
    assert world.until_sent(1) == ["You said: Hello there"]


def test_the_same_conversation_goes_on_over_the_api(talking: Gateway, world: Outside) -> None:
    world.write("My name is Ada")
    world.until_sent(1)
    sessions = talking.request("GET", "/api/sessions").json["items"]
    (key,) = [session["key"] for session in sessions if session["sourceChannel"] == "telegram"]
    reply = ask(talking, "What is my name?", session=key)
    assert reply.status == 200, reply.body
    assert reply.json["status"] == "ok"
    assert reply.json["reply"] == "You said: What is my name?"
    assert reply.json["session"] == key
    contents = [message["content"] for message in world.asked()[-1] if message["role"] != "system"]
    assert contents == ["My name is Ada", "You said: My name is Ada", "What is my name?"]
    assert world.sent() == ["You said: My name is Ada"], "what was asked over the API is answered there alone"


def test_the_streamed_form_begins_with_accepted_and_ends_with_the_result(talking: Gateway) -> None:
    reply = talking.request(
        "POST",
        "/api/agent",
        body=json.dumps({"message": "stream to me"}),
        headers={**JSON, "Accept": "text/event-stream"},
    )
    assert reply.headers["Content-Type"].startswith("text/event-stream")
    frames = [frame for frame in reply.body.decode().split("\n\n") if "event:" in frame]
    events = [line.removeprefix("event: ") for frame in frames for line in frame.splitlines() if "event: " in line]
    data = [json.loads(line[6:]) for frame in frames for line in frame.splitlines() if line.startswith("data: ")]
    assert (events[0], data[0]["status"]) == ("status", "accepted")
    assert "".join(datum["content"] for datum in data if datum.get("type") == "token") == "You said: stream to me"
    assert (events[-1], data[-1]["status"], data[-1]["reply"]) == ("result", "ok", "You said: stream to me")


def test_a_tool_is_called_and_its_result_reaches_the_model(talking: Gateway) -> None:
    reply = ask(talking, "tool:current_time")
    assert reply.json["reply"].startswith("The tool said: ")
    assert "20" in reply.json["reply"]


def test_a_failing_model_is_an_agent_error(talking: Gateway) -> None:
    reply = ask(talking, "fail:400")
    assert (reply.status, reply.json["error"]["code"]) == (502, "AGENT_ERROR")


@pytest.mark.timeout(120)  # waits for a model that takes its time
def test_a_turn_that_a_restart_cuts_is_finished_and_delivered_once(talking: Gateway, world: Outside) -> None:
    world.write("slow:8")
    until(world.asked, "the model is asked")
    before = talking.health()["generation"]
    talking.signal(signal.SIGUSR1)
    until(lambda: talking.health()["generation"] == before + 1, "the next generation serves", 15)
    assert world.until_sent(1, seconds=30) == ["You said: slow:8"]
    time.sleep(1)
    assert world.sent() == ["You said: slow:8"]


@pytest.mark.timeout(120)  # waits for a model that takes its time
def test_a_turn_that_a_kill_cuts_is_finished_and_delivered_once(talking: Gateway, world: Outside) -> None:
    world.write("slow:3")
    until(world.asked, "the model is asked")
    os.kill(talking.child_pid, signal.SIGKILL)
    assert world.until_sent(1, seconds=30) == ["You said: slow:3"]
    time.sleep(1)
    assert world.sent() == ["You said: slow:3"]


def test_a_message_that_was_acknowledged_is_delivered_after_a_kill(talking: Gateway, world: Outside) -> None:
    world.fault(method="sendMessage", status=500, times=2)
    message_id = send(talking, "do not lose me")
    os.kill(talking.child_pid, signal.SIGKILL)
    assert message_id.startswith("msg_")
    assert "do not lose me" in world.until_sent(1, seconds=40)


def test_an_idempotency_key_sends_once(talking: Gateway, world: Outside) -> None:
    first = send(talking, "once", idempotency_key="k-1")
    assert send(talking, "once", idempotency_key="k-1") == first
    world.until_sent(1)
    time.sleep(0.5)
    assert world.sent() == ["once"]


def test_a_dead_letter_is_shown_and_can_be_retried(talking: Gateway, world: Outside) -> None:
    world.fault(method="sendMessage", status=403, description="Forbidden: bot was blocked by the user")
    message_id = send(talking, "are you there?")

    def dead() -> list[str]:
        return [row["id"] for row in talking.request("GET", "/api/outbound?state=dead").json["items"]]

    assert until(dead, "the message is given up") == [message_id]
    assert talking.request("POST", f"/api/outbound/{message_id}/retry").status == 200
    assert world.until_sent(1) == ["are you there?"]


def test_without_any_key_the_built_in_model_answers(home: Path, start: Start) -> None:
    write_config(home, {"gateway": {"auth": {"mode": "none"}}})
    gateway = start()
    reply = gateway.request("POST", "/api/agent", body='{"message": "Hello!"}', headers=JSON, token=None)
    assert reply.status == 200
    assert reply.json["status"] == "ok"
    assert reply.json["session"] == "default"
    assert reply.json["reply"]


def test_the_command_line_streams_an_answer(talking: Gateway) -> None:
    done = talking.xopc("agent", "hello from the shell")
    assert done.returncode == 0, done.stderr
    assert "You said: hello from the shell" in done.stdout
    assert "default" in talking.xopc("sessions", "list").stdout
    sent = talking.xopc("message", "send", "--channel", "telegram", "--chat", str(CHAT), "hi")
    assert sent.returncode == 0, sent.stderr


class Caller(threading.Thread):
    """Sends numbered messages to one chat, over and over until each is acknowledged."""

    def __init__(self, gateway: Gateway, chat: int, end: threading.Event) -> None:
        super().__init__(daemon=True)
        self.chat = chat
        self.acknowledged: list[str] = []
        self._gateway = gateway
        self._end = end
        self.start()

    def run(self) -> None:
        number = 0
        while not self._end.is_set():
            text = f"{self.chat}-{number:05}"
            try:
                send(self._gateway, text, self.chat, idempotency_key=text)
            except (OSError, http.client.HTTPException, AssertionError):
                time.sleep(0.01)
                continue
            self.acknowledged.append(text)
            number += 1
            time.sleep(0.02)


def given_up(gateway: Gateway, chat: int) -> set[str]:
    """What stands in the dead letters of a chat: what was being sent when two processes died may have arrived."""
    dead = gateway.request("GET", f"/api/outbound?state=dead&chat_id={chat}&limit=500").json["items"]
    assert all((row["errorClass"], row["possibleDuplicate"]) == ("unknown", True) for row in dead)
    return {row["content"] for row in dead}


@pytest.mark.timeout(300)  # a dozen kills, each with the start after it
def test_a_dozen_kills_under_load_lose_nothing_and_keep_the_order(talking: Gateway, world: Outside) -> None:
    chats = range(1000, 1016)
    world.meet(*chats)
    dice = random.Random(4711)  # noqa: S311 - it plays fate, and hides nothing
    end = threading.Event()
    callers = [Caller(talking, chat, end) for chat in chats]
    for _ in range(12):
        time.sleep(dice.uniform(0.05, 1.5))
        before = talking.boot_id()
        os.kill(talking.child_pid, signal.SIGKILL)
        until(lambda b=before: talking.boot_id() not in (None, b), "another process serves", 40)
    end.set()
    for caller in callers:
        caller.join(30)
        until(
            lambda c=caller: set(c.acknowledged) <= {*world.sent(c.chat), *given_up(talking, c.chat)}, "all is told", 60
        )
        delivered = list(dict.fromkeys(world.sent(caller.chat)))
        assert delivered == sorted(delivered)
    assert sum(len(caller.acknowledged) for caller in callers) > 100


def test_a_subscriber_hears_the_run_and_the_shutdown(talking: Gateway) -> None:
    listener = Listener(talking, **{"X-Api-Key": TOKEN})
    ask(talking, "anybody listening?")
    talking.signal(signal.SIGUSR1)
    until(lambda: "event: shutdown" in listener.heard, "the restart is told")
    heard = listener.heard
    assert heard.index("event: connected") < heard.index("event: agent.stream") < heard.index("event: shutdown")
    assert '"restarting"' in heard
    until(lambda: listener.heard.endswith("\r\n0\r\n\r\n"), "the stream ends")
    listener.hang_up()
