"""The heartbeat of the real gateway, between a Bot API server and a model provider."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest

from tests.e2e.harness import Gateway, until
from tests.e2e.outside import CHAT, Outside

JSON = {"Content-Type": "application/json"}


def configure(gateway: Gateway, **heartbeat: object) -> None:
    """Change the heartbeat while the gateway runs."""
    body = json.dumps({"gateway": {"heartbeat": heartbeat}})
    reply = gateway.request("PATCH", "/api/config", body=body, headers=JSON)
    assert (reply.status, reply.json["payload"]["requiresRestart"]) == (200, False), reply.body


def write_tasks(gateway: Gateway, text: str) -> None:
    reply = gateway.request("PUT", "/api/workspace/heartbeat-md", body=json.dumps({"content": text}), headers=JSON)
    assert reply.status == 200, reply.body


def trigger(gateway: Gateway) -> None:
    reply = gateway.request("POST", "/api/heartbeat/trigger", body="{}", headers=JSON)
    assert (reply.status, reply.json) == (200, {"scheduled": True})


def state(gateway: Gateway) -> Any:  # noqa: ANN401 - JSON
    return gateway.request("GET", "/api/heartbeat").json


def until_ended(gateway: Gateway, count: int, world: Outside) -> None:
    until(lambda: len(world.asked()) >= count and state(gateway)["last"]["state"] == "done", "the beat ends")


def test_what_needs_attention_is_told_once_and_an_acknowledgement_is_not(talking: Gateway, world: Outside) -> None:
    configure(talking, target="telegram", targetChatId=CHAT, prompt="say:It rains.", ackMaxChars=5)
    trigger(talking)
    assert world.until_sent(1)[0].startswith("It rains.")
    trigger(talking)
    until_ended(talking, 2, world)
    configure(talking, prompt="say:HEARTBEAT_OK", ackMaxChars=1000)
    trigger(talking)
    until_ended(talking, 3, world)
    configure(talking, prompt="say:It snows.")
    trigger(talking)
    sent = world.until_sent(2)
    assert [text.partition(".")[0] for text in sent] == ["It rains", "It snows"]
    session = talking.request("GET", "/api/sessions/heartbeat:main").json["session"]
    assert session["messages"][0]["content"].startswith("say:It rains.")


def test_the_agent_reads_the_tasks_and_an_empty_file_asks_nobody(talking: Gateway, world: Outside) -> None:
    write_tasks(talking, "# Tasks\n\n- \n")
    trigger(talking)
    until(lambda: state(talking)["skipped"], "the beat is left out")
    assert world.asked() == []
    write_tasks(talking, "# Tasks\n\n- Look at the sky.\n")
    trigger(talking)
    until_ended(talking, 1, world)
    assert "- Look at the sky." in world.asked()[0][-1]["content"]
    assert world.sent() == []
    assert (talking.home / ".xopc" / "workspace" / "HEARTBEAT.md").stat().st_mode & 0o777 == 0o600


@pytest.mark.timeout(120)  # waits for a model that takes its time
def test_a_beat_that_a_kill_cuts_is_told_once(talking: Gateway, world: Outside) -> None:
    configure(talking, target="telegram", targetChatId=str(CHAT), prompt="slow:3", isolatedSession=True)
    trigger(talking)
    until(world.asked, "the model is asked")
    os.kill(talking.child_pid, signal.SIGKILL)
    until(talking.boot_id, "the next process serves")
    trigger(talking)
    assert len(world.until_sent(1, seconds=30)) == 1
    until_ended(talking, 3, world)
    time.sleep(0.5)
    assert len(world.sent()) == 1


@pytest.mark.timeout(120)  # waits for a model that takes its time
def test_a_beat_that_was_asked_for_survives_a_kill_before_it_begins(talking: Gateway, world: Outside) -> None:
    configure(talking, target="telegram", targetChatId=CHAT, prompt="say:It rains.")
    world.write("slow:3")
    until(world.asked, "the model is asked")
    trigger(talking)
    assert state(talking)["last"] is None
    os.kill(talking.child_pid, signal.SIGKILL)
    assert any(text.startswith("It rains.") for text in world.until_sent(2, seconds=40))
    assert state(talking)["last"]["reason"] == "trigger"


def test_a_gateway_without_a_model_bothers_nobody(gateway: Gateway) -> None:
    trigger(gateway)
    skipped = until(lambda: state(gateway)["skipped"], "the beat is left out")
    assert "no model" in skipped["why"]
    assert gateway.request("GET", "/api/sessions").json["items"] == []
    shown = gateway.xopc("heartbeat", "status")
    assert (shown.returncode, "Heartbeat: every 30 min" in shown.stdout, "no model" in shown.stdout) == (0, True, True)


def test_the_heartbeat_stands_in_the_tree(gateway: Gateway) -> None:
    assert "heartbeat" in gateway.xopc("gateway", "tree").stdout


def test_a_workspace_of_ones_own_is_used_at_once(talking: Gateway) -> None:
    body = json.dumps({"agents": {"defaults": {"workspace": "desk"}}})
    assert talking.request("PATCH", "/api/config", body=body, headers=JSON).status == 200
    write_tasks(talking, "- Look at the sky.\n")
    assert (talking.home / ".xopc" / "desk" / "HEARTBEAT.md").read_text() == "- Look at the sky.\n"
