"""Messages, sessions and events over the API, each row of the contract by its name, against the running gateway."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import TOKEN, Gateway, Reply, until, write_config
from tests.e2e.outside import CHAT, Listener, Outside, ask

Start = Callable[..., Gateway]
JSON = {"Content-Type": "application/json"}


def post(gateway: Gateway, path: str, **body: object) -> Reply:
    return gateway.request("POST", path, body=json.dumps(body), headers=JSON)


def code_of(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json["error"]["code"]


def records(gateway: Gateway, stage: str) -> list[dict[str, Any]]:
    (file,) = gateway.state.glob("logs/app-*.log")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [line for line in lines if line.get("phase") == "gateway.channel_startup" and line["stage"] == stage]


def test_rows_121_122_126_127_128_the_start_of_the_channels_is_told_in_two_records(talking: Gateway) -> None:
    (second,) = until(lambda: records(talking, "phase2"), "phase 2 is told")
    (first,) = records(talking, "phase1")
    for record in (first, second):
        assert record["level"] == "info"
        assert (record["channelConnectDeferMode"], record["channelConnectDeferSource"]) == ("auto", "meta")
        assert record["deferredChannelIds"] == ["telegram"]
    whole = ("channelInitMs", "deferPlanMs", "channelPhase1StartMs", "channelStartupPhase1TotalMs")
    assert all(isinstance(first[name], int) for name in whole)
    assert first["replayOutboundMs"] is None, "the replay is left to phase 2"
    assert all(isinstance(second[name], int) for name in ("channelPhase2DeferredMs", "onHttpListeningTotalMs"))


def test_row_129_the_gateway_answers_while_a_channel_is_still_connecting(world: Outside, start: Start) -> None:
    world.fault(method="getMe", delay=20)
    began = time.monotonic()
    gateway = start()
    assert gateway.request("GET", "/health", token=None).status == 200
    assert ask(gateway, "are you there?").status == 200
    assert time.monotonic() - began < 20
    assert records(gateway, "phase2") == []


def test_rows_130_131_a_message_is_sent_to_the_chat_with_and_without_its_account(
    talking: Gateway, world: Outside
) -> None:
    for fields in ({}, {"accountId": "default"}):
        reply = post(talking, "/api/message", channel="telegram", chat_id=str(CHAT), content="hi", **fields)
        assert reply.status == 200, reply.body
        assert reply.json["status"] == "ok"
        assert reply.json["message_id"]
    assert world.until_sent(2) == ["hi", "hi"]
    unknown = post(talking, "/api/message", channel="telegram", chat_id="7", content="hi", accountId="other")
    assert code_of(unknown) == (400, "INVALID_REQUEST")


def test_row_132_a_synchronous_message_gives_the_reply(talking: Gateway, world: Outside) -> None:
    reply = post(talking, "/api/message/sync", channel="telegram", chat_id=str(CHAT), content="Hello and reply!")
    assert (reply.status, reply.json) == (200, {"status": "ok", "reply": "You said: Hello and reply!"})
    assert world.until_sent(1) == ["You said: Hello and reply!"]


def test_rows_133_134_135_a_session_keeps_its_history_and_the_default_is_default(
    talking: Gateway, world: Outside
) -> None:
    first = ask(talking, "one", session="memory")
    assert (first.json["status"], first.json["reply"], first.json["session"]) == ("ok", "You said: one", "memory")
    ask(talking, "two", session="memory")
    assert [message["content"] for message in world.asked()[-1]][-3:] == ["one", "You said: one", "two"]
    assert ask(talking, "three").json["session"] == "default"
    assert [message["content"] for message in world.asked()[-1]][1:] == ["three"]


def test_rows_141_to_144_sessions_are_made_reused_and_named(talking: Gateway) -> None:
    made = post(talking, "/api/sessions")
    assert made.status == 201
    key = made.json["session"]["key"]
    assert "webchat" in key.split(":")
    again = post(talking, "/api/sessions")
    assert (again.status, again.json["session"]["key"], again.json["reused"]) == (200, key, True)
    other = post(talking, "/api/sessions", channel="cli", chat_id="room-7").json["session"]["key"]
    assert other.split(":")[1] == "cli"
    assert other.endswith(":room-7")


def test_rows_145_146_147_the_first_segment_is_the_agent_which_must_be_enabled(home: Path, start: Start) -> None:
    agents = [{"id": "off", "enabled": False}, {"id": "coder"}, {"id": "writer"}]
    write_config(home, {"gateway": {"auth": {"token": TOKEN}}, "agents": {"list": agents}})
    gateway = start()
    for agent in ("nobody", "off"):
        assert code_of(post(gateway, "/api/sessions", agentId=agent)) == (400, "INVALID_REQUEST")
    assert post(gateway, "/api/sessions", chat_id="a").json["session"]["key"].startswith("coder:")
    assert post(gateway, "/api/sessions", agentId="writer").json["session"]["key"].startswith("writer:")
    write_config(home, {"gateway": {"auth": {"token": TOKEN}}, "agents": {"default": "writer", "list": agents}})
    assert gateway.xopc("gateway", "restart", "--wait", "30s").returncode == 0
    assert post(gateway, "/api/sessions", chat_id="b").json["session"]["key"].startswith("writer:")


def test_rows_148_to_151_sessions_are_listed_read_and_deleted(talking: Gateway) -> None:
    ask(talking, "remember me", session="kept")
    key = "main:webchat:default:direct:kept"
    assert key in [item["key"] for item in talking.request("GET", "/api/sessions").json["items"]]
    for spelled in (key, key.replace(":", "%3A")):
        session = talking.request("GET", f"/api/sessions/{spelled}").json["session"]
        assert [message["role"] for message in session["messages"]] == ["user", "assistant"]
        assert session["messages"][0]["content"] == "remember me"
    assert talking.request("DELETE", f"/api/sessions/{key}").json == {"deleted": True}
    assert code_of(talking.request("GET", f"/api/sessions/{key}")) == (404, "SESSION_NOT_FOUND")
    assert code_of(talking.request("DELETE", f"/api/sessions/{key}")) == (404, "SESSION_NOT_FOUND")


def test_rows_163_164_events_are_a_stream_with_a_credential_and_tell_of_runs(talking: Gateway) -> None:
    assert talking.request("GET", "/api/events", token=None).status == 401
    listener = Listener(talking, f"?token={TOKEN}")
    until(lambda: "event: connected\n" in listener.heard, "the stream is greeted")
    assert "content-type: text/event-stream" in listener.heard.lower()
    ask(talking, "tell everybody")
    until(lambda: "event: agent.stream\n" in listener.heard, "the run is told")
    listener.hang_up()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"channel": "telegram", "chat_id": "7", "content": "  "}, (400, "INVALID_REQUEST")),
        ({"channel": "telegram", "chat_id": "7"}, (400, "INVALID_REQUEST")),
        ({"channel": "telegram", "content": "x"}, (400, "INVALID_REQUEST")),
        ({"channel": "pigeon", "chat_id": "7", "content": "x"}, (404, "CHANNEL_NOT_FOUND")),
    ],
)
def test_rows_181_182_bad_messages_are_refused_and_send_nothing(
    talking: Gateway, world: Outside, body: dict[str, object], expected: tuple[int, str]
) -> None:
    assert code_of(post(talking, "/api/message", **body)) == expected
    assert code_of(post(talking, "/api/message/sync", **body)) == expected
    assert world.sent() == []


def test_row_181_empty_content_is_told_in_the_words_of_the_contract(talking: Gateway) -> None:
    reply = post(talking, "/api/message", channel="telegram", chat_id="7", content="")
    assert reply.json["error"]["message"] == "Invalid message content"


def test_row_184_a_model_that_fails_is_an_agent_error_and_its_key_stays_secret(talking: Gateway) -> None:
    reply = ask(talking, "fail:401")
    assert code_of(reply) == (502, "AGENT_ERROR")
    assert b"an-invented-key" not in reply.body
