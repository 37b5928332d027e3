"""Jobs of a real gateway between a Bot API server and a model provider, killed and restarted at will."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import TOKEN, Gateway, Reply, until, write_config
from tests.e2e.outside import CHAT, Outside

Start = Callable[..., Gateway]
DIRECT = {"mode": "direct", "channel": "telegram", "to": str(CHAT)}


def call(gateway: Gateway, method: str, path: str, body: object = None) -> Reply:
    data = None if body is None else json.dumps(body)
    return gateway.request(method, path, body=data, headers={"Content-Type": "application/json"})


def create(gateway: Gateway, **body: object) -> str:
    """The id of a new job."""
    reply = call(gateway, "POST", "/api/cron/create", body)
    assert reply.status == 201, reply.body
    assert reply.json["status"] == "ok"
    return reply.json["id"]


def direct(gateway: Gateway, text: str, schedule: object = "0 0 1 1 *", **more: object) -> str:
    payload = {"kind": "systemEvent", "text": text}
    return create(gateway, schedule=schedule, payload=payload, delivery=DIRECT, **more)


def soon(seconds: float = 0.5) -> dict[str, str]:
    """A schedule that is due once, in a moment."""
    return {"kind": "at", "at": (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()}


def jobs(gateway: Gateway) -> dict[str, Any]:
    return {job["id"]: job for job in call(gateway, "GET", "/api/cron").json["jobs"]}


def history(gateway: Gateway, job_id: str) -> list[dict[str, Any]]:
    return call(gateway, "GET", f"/api/cron/{job_id}/history").json["history"]


def ended(gateway: Gateway, job_id: str, count: int = 1) -> list[str]:
    """How the runs of a job ended, once so many have."""
    return until(
        lambda: (
            statuses
            if len(statuses := [run["status"] for run in history(gateway, job_id) if run["endedAt"]]) >= count
            else []
        ),
        f"{count} runs have ended",
    )


def test_row_118_jobs_can_be_made_and_run_as_soon_as_the_gateway_listens(home: Path, start: Start) -> None:
    gateway = start(ready=False)
    until(lambda: gateway.lock() and gateway.boot_id(), "it listens")
    job_id = create(gateway, schedule="0 9 * * *", message="Hello")
    assert call(gateway, "POST", "/api/cron/trigger", {"job_id": job_id}).status == 200
    assert ended(gateway, job_id) == ["success"]


def test_row_137_a_triggered_job_runs_once(talking: Gateway, world: Outside) -> None:
    job_id = direct(talking, "by hand", enabled=False)
    reply = call(talking, "POST", "/api/cron/trigger", {"job_id": job_id})
    assert reply.status == 200
    assert (reply.json["status"], reply.json["message"]) == ("ok", "Task triggered")
    assert world.until_sent(1) == ["by hand"]
    time.sleep(0.5)
    assert world.sent() == ["by hand"]
    assert [run["status"] for run in history(talking, job_id)] == ["success"]
    assert jobs(talking)[job_id]["next_run"] is None, "its schedule stays"
    assert call(talking, "POST", "/api/cron/trigger", {}).status == 400
    assert call(talking, "POST", "/api/cron/trigger", {"job_id": "nothing"}).json["error"]["code"] == "NOT_FOUND"


def test_rows_152_153_a_created_job_is_listed_with_its_next_run(gateway: Gateway) -> None:
    assert jobs(gateway) == {}
    job_id = create(gateway, schedule="30 9 * * 1-5", message="Hello", name="Morning", timezone="Europe/Berlin")
    job = jobs(gateway)[job_id]
    assert (job["name"], job["schedule"], job["enabled"]) == ("Morning", "30 9 * * 1-5", True)
    assert datetime.fromisoformat(job["next_run"]) > datetime.now(UTC)


def test_row_154_a_deleted_job_is_not_listed(gateway: Gateway) -> None:
    job_id = create(gateway, schedule="0 9 * * *", message="Hello")
    assert call(gateway, "DELETE", f"/api/cron/{job_id}").json == {"removed": True}
    assert jobs(gateway) == {}
    assert call(gateway, "DELETE", f"/api/cron/{job_id}").status == 404


def test_row_155_a_toggled_job_does_not_fire_until_it_is_toggled_back(talking: Gateway, world: Outside) -> None:
    job_id = direct(talking, "tick", {"kind": "every", "everyMs": 1000})
    world.until_sent(1)
    assert call(talking, "POST", f"/api/cron/{job_id}/toggle").json == {"toggled": True, "enabled": False}
    count = len(history(talking, job_id))
    time.sleep(2.2)
    assert len(history(talking, job_id)) == count
    assert call(talking, "POST", f"/api/cron/{job_id}/toggle", {"enabled": True}).json["enabled"]
    ended(talking, job_id, count + 1)


def test_a_job_of_the_main_session_has_the_agent_answer_in_its_chat(talking: Gateway, world: Outside) -> None:
    create(talking, schedule=soon(), message="water the plants", channel="telegram", chat_id=CHAT)
    (said,) = world.until_sent(1)
    assert said.startswith("You said: [Scheduled: ")
    assert said.endswith("water the plants")
    sessions = call(talking, "GET", "/api/sessions").json["items"]
    assert [session["key"] for session in sessions] == ["main:telegram:default:dm:7"]


def test_an_isolated_job_has_a_session_of_its_own_and_its_answer_is_delivered(talking: Gateway, world: Outside) -> None:
    payload = {"kind": "agentTurn", "message": "what is new?"}
    delivery = {**DIRECT, "mode": "announce"}
    job_id = create(talking, schedule=soon(), payload=payload, sessionTarget="isolated", delivery=delivery)
    assert world.until_sent(1) == ["You said: what is new?"]
    (run,) = history(talking, job_id)
    assert (run["status"], run["sessionKey"]) == ("success", f"cron:{job_id}")
    assert run["summary"] == "You said: what is new?"
    assert not jobs(talking)[job_id]["enabled"], "it was due once, and is done"
    assert call(talking, "GET", f"/api/sessions/cron:{job_id}").json["session"]["messageCount"] == 2


@pytest.mark.timeout(120)  # waits for a model that takes its time
def test_a_run_that_a_kill_cuts_is_finished_once(talking: Gateway, world: Outside) -> None:
    payload = {"kind": "agentTurn", "message": "slow:3"}
    delivery = {**DIRECT, "mode": "announce"}
    job_id = create(talking, schedule=soon(), payload=payload, sessionTarget="isolated", delivery=delivery)
    until(world.asked, "the model is asked")
    os.kill(talking.child_pid, signal.SIGKILL)
    assert world.until_sent(1, seconds=30) == ["You said: slow:3"]
    time.sleep(1)
    assert world.sent() == ["You said: slow:3"]
    assert [run["status"] for run in history(talking, job_id)] == ["success"]


@pytest.mark.timeout(120)  # waits for a model that takes its time
def test_a_run_that_a_restart_cuts_is_finished_once(talking: Gateway, world: Outside) -> None:
    job_id = create(
        talking,
        schedule=soon(),
        payload={"kind": "agentTurn", "message": "slow:7"},
        sessionTarget="isolated",
        delivery={**DIRECT, "mode": "announce"},
    )
    until(world.asked, "the model is asked")
    before = talking.health()["generation"]
    talking.signal(signal.SIGUSR1)
    until(lambda: talking.health()["generation"] == before + 1, "the next generation serves", 15)
    assert world.until_sent(1, seconds=30) == ["You said: slow:7"]
    assert ended(talking, job_id) == ["success"]


def test_a_job_that_was_due_while_nothing_ran_is_made_up_for_once(home: Path, world: Outside, start: Start) -> None:
    gateway = start()
    job_id = direct(gateway, "tick", {"kind": "every", "everyMs": 2000})
    gateway.signal(signal.SIGTERM)
    gateway.wait_until_ended()
    before = len(world.sent())
    time.sleep(4.5)
    gateway = start()
    ended(gateway, job_id, before + 1)
    made_up_for = [run for run in history(gateway, job_id) if run["scheduledAt"] < run["startedAt"][:19]]
    assert len(made_up_for) <= 1


def test_nothing_fires_while_the_scheduler_is_off_and_all_else_works(home: Path, world: Outside, start: Start) -> None:
    path = home / ".xopc" / "xopc.json"
    document = json.loads(path.read_text())
    write_config(home, {**document, "cron": {"enabled": False}})
    gateway = start()
    job_id = direct(gateway, "tick", {"kind": "every", "everyMs": 1000})
    time.sleep(2)
    assert history(gateway, job_id) == []
    write_config(home, {**document, "cron": {"enabled": True}})
    world.until_sent(1)


def test_the_command_line_keeps_jobs(talking: Gateway, world: Outside) -> None:
    made = talking.xopc(
        *("cron", "add", "0 9 * * *", "Good morning", "--name", "Morning", "--direct"),
        *("--channel", "telegram", "--chat", str(CHAT), "--json"),
    )
    assert made.returncode == 0, made.stderr
    job_id = json.loads(made.stdout)["id"]
    assert "Morning" in talking.xopc("cron", "list").stdout
    assert talking.xopc("cron", "run", job_id).returncode == 0
    assert world.until_sent(1) == ["Good morning"]
    assert "success" in talking.xopc("cron", "history", job_id).stdout
    assert talking.xopc("cron", "delete", job_id).returncode == 0
    assert jobs(talking) == {}


def test_bad_jobs_are_refused_by_the_name_of_the_field(gateway: Gateway) -> None:
    for body, field in (
        ({"schedule": "61 * * * *", "message": "x"}, "$.schedule"),
        ({"schedule": {"kind": "cron", "expr": "0 0 31 2 *"}, "message": "x"}, "$.schedule.expr"),
        ({"schedule": "0 9 * * *"}, "$.payload"),
        ({"schedule": "0 9 * * *", "message": "x", "timezone": "Mars/Olympus"}, "$.timezone"),
        ({"schedule": {"kind": "at", "at": "2020-01-01T00:00:00Z"}, "message": "x"}, "$.schedule.at"),
        ({"schedule": "0 9 * * *", "message": "x", "delivery": {"mode": "direct"}}, "$.delivery.to"),
    ):
        reply = call(gateway, "POST", "/api/cron/create", body)
        assert (reply.status, reply.json["error"]["code"]) == (400, "INVALID_REQUEST"), reply.body
        assert f"{field}:" in reply.json["error"]["message"]
    assert jobs(gateway) == {}
    assert TOKEN not in str(jobs(gateway))
