from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve
from quart_trio import QuartTrio

from tests.fakes.asgi import Answer, ask
from tests.fakes.generation import BEARER, Generation
from tests.fakes.message_path import MessagePath, open_message_path
from xopc.contracts.convert import JsonObject, unstructure
from xopc.contracts.settings.cron import CronSettings
from xopc.contracts.settings.file import Settings
from xopc.server.api import cron_examples
from xopc.server.app import build_app
from xopc.server.wire.gate import Gate

IN_SHORT: JsonObject = {"schedule": "0 9 * * *", "message": "Hello", "channel": "pigeons", "chat_id": 5}
DIRECT: JsonObject = {
    "schedule": "0 9 * * *",
    "payload": {"kind": "systemEvent", "text": "Hello"},
    "delivery": {"mode": "direct", "channel": "pigeons", "to": "5"},
}


async def call(app: QuartTrio, method: str, path: str, body: object = None) -> Answer:

    return await ask(app, method, f"/api/cron{path}", [BEARER], None if body is None else json.dumps(body).encode())


async def made(app: QuartTrio, **body: object) -> str:
    answer = await call(app, "POST", "", {**DIRECT, **body})
    assert answer.status == 201, answer.body
    return answer.json["id"]


async def ended(app: QuartTrio, job_id: str) -> dict[str, Any]:
    """The newest run of a job, once it has ended."""
    with trio.fail_after(5):
        while True:
            (run, *_) = (await call(app, "GET", f"/{job_id}/history")).json["history"]
            if run["endedAt"]:
                return run
            await trio.sleep(0.01)


TURN: JsonObject = {"kind": "agentTurn", "message": "Hello", "model": "missing/one"}


@pytest.mark.parametrize(("key", "value"), [("model", "missing/one"), ("payload", TURN)])
async def test_a_model_that_nobody_can_ask_is_refused(talking: QuartTrio, key: str, value: object) -> None:
    job_id = await made(talking)
    direct = {"delivery": None, key: value} if key == "payload" else {key: value}
    for method, path, body in (("POST", "", {**DIRECT, **direct}), ("PATCH", f"/{job_id}", {key: value})):
        answer = await call(talking, method, path, body)
        assert answer.status == 400, method
        where = "$.payload.model" if key == "payload" else "$.model"
        assert answer.json["error"]["message"] == f'{where}: There is no model "missing/one".'
    (job,) = (await call(talking, "GET", "")).json["jobs"]
    assert (job["model"], job["payload"]["text"]) == (None, "Hello")


async def test_a_model_that_is_gone_keeps_nobody_from_changing_the_rest_of_a_job(
    talking: QuartTrio, path: MessagePath
) -> None:
    job_id = await made(talking)
    (stored,) = await path.storage.jobs()
    await path.storage.change_job(evolve(stored.job, model="missing/one"), None, 1)
    answer = await call(talking, "PATCH", f"/{job_id}", {"name": "One", "model": "missing/one"})
    assert (answer.status, answer.json["job"]["name"]) == (200, "One")


@pytest.mark.parametrize("where", ["", "/create"])
async def test_a_job_is_made_and_listed(talking: QuartTrio, where: str) -> None:
    answer = await call(talking, "POST", where, IN_SHORT)
    assert answer.status == 201
    job = answer.json["job"]
    assert answer.json == {"id": job["id"], "schedule": "0 9 * * *", "job": job, "status": "ok"}
    assert job["payload"] == {
        "kind": "systemEvent",
        "text": "Hello",
        "message": None,
        "model": None,
        "timeoutSeconds": None,
    }
    assert job["delivery"] == {
        "mode": "announce",
        "channel": "pigeons",
        "to": "5",
        "bestEffort": False,
        "accountId": None,
    }
    assert (job["maxRetries"], job["timeout"], job["sessionTarget"]) == (3, 60000, "main")
    assert {"created_at", "updated_at", "next_run"} <= job.keys()
    assert (await call(talking, "GET", "")).json == {"jobs": [job]}
    assert (await call(talking, "GET", f"/{job['id']}")).json == {"job": job}


async def test_the_examples_of_the_reference_are_taken(talking: QuartTrio) -> None:
    for name, body in cron_examples.NEW_JOBS.items():
        here = json.loads(json.dumps(unstructure(body)).replace("telegram", "pigeons"))
        assert (await call(talking, "POST", "", here)).status == 201, name


@pytest.mark.parametrize(
    "schedule", [{"kind": "every", "everyMs": 60_000}, {"kind": "at", "at": "2999-01-01T00:00:00.000Z"}]
)
async def test_a_schedule_that_is_no_expression_comes_back_as_it_may_be_sent_again(
    talking: QuartTrio, schedule: JsonObject
) -> None:
    job_id = await made(talking, schedule=schedule)
    told = (await call(talking, "GET", f"/{job_id}")).json["job"]["schedule"]
    assert {key: value for key, value in told.items() if value is not None} == schedule
    again = await call(talking, "PATCH", f"/{job_id}", {"schedule": told})
    assert again.status == 200, again.body


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"schedule": "not a schedule"}, "$.schedule: is no cron expression that ever comes"),
        ({"schedule": 5}, "$.schedule: must be a text or an object, not a whole number"),
        ({"schedule": {"kind": "every", "everyMs": 999}}, "$.schedule.everyMs: must be 1000"),
        ({"schedule": {"kind": "cron", "expr": "0 0 30 2 *"}}, "$.schedule.expr: is no cron expression"),
        ({"payload": {"kind": "agentTurn"}}, "$.payload.message: is missing"),
        ({"payload": {"kind": "systemEvent", "text": "x" * 50_001}}, "$.payload.text: must have 1 to 50000"),
        ({"name": "x" * 101}, "$.name: must have at most 100 characters"),
        ({"maxRetries": 11}, "$.maxRetries: must be 0 to 10"),
        ({"timeout": 999}, "$.timeout: must be 1000 to 300000"),
        ({"timezone": "Mars/Olympus"}, "$.timezone: must be a time zone"),
        ({"sessionTarget": "isolated"}, '$.payload.kind: must be "agentTurn"'),
        ({"delivery": {"mode": "direct", "channel": "pigeons"}}, "$.delivery.to: is missing"),
        (
            {"delivery": {"mode": "direct", "channel": "pigeon", "to": "5"}},
            "$.delivery.channel: names no enabled channel; there are: pigeons",
        ),
        (
            {"delivery": {"mode": "direct", "channel": "pigeons", "to": "5", "accountId": "gone"}},
            "$.delivery.accountId: names no enabled account of pigeons; there are: default",
        ),
        ({"retries": 3}, '$.retries: unknown key; did you mean "maxRetries"?'),
    ],
)
async def test_what_is_wrong_is_told_by_its_path_and_nothing_is_made(
    talking: QuartTrio, change: JsonObject, problem: str
) -> None:
    answer = await call(talking, "POST", "/create", {**DIRECT, **change})
    assert answer.status == 400
    assert answer.error[0] == "INVALID_REQUEST"
    assert problem in answer.error[1]
    assert (await call(talking, "GET", "")).json == {"jobs": []}


async def test_a_job_is_changed_and_what_is_left_out_stays(talking: QuartTrio) -> None:
    job_id = await made(talking, name="One", timezone="Europe/Berlin", model="a/b")
    answer = await call(talking, "PATCH", f"/{job_id}", {"schedule": "0 10 * * *", "name": "", "enabled": False})
    job = answer.json["job"]
    assert answer.json == {"status": "ok", "job": job}
    assert (job["schedule"], job["name"], job["enabled"], job["next_run"]) == ("0 10 * * *", None, False, None)
    assert (job["timezone"], job["model"], job["payload"]["text"]) == ("Europe/Berlin", "a/b", "Hello")
    refused = await call(talking, "PATCH", f"/{job_id}", {"sessionTarget": "isolated"})
    assert "$.payload.kind" in refused.error[1]
    assert (await call(talking, "PATCH", f"/{job_id}", {"delivery": {"mode": "none"}})).status == 200


async def test_a_schedule_that_no_longer_comes_is_refused_when_its_job_is_enabled(
    talking: QuartTrio, path: MessagePath
) -> None:
    job_id = await made(talking, enabled=False, timezone="Europe/Berlin")
    stored = await path.storage.job(job_id)
    assert stored is not None

    await path.storage.change_job(evolve(stored.job, timezone="Gone/Zone"), None, 1)
    answer = await call(talking, "POST", f"/{job_id}/toggle", {"enabled": True})
    assert answer.status == 400
    assert "$.schedule: is no schedule that ever comes" in answer.error[1]


async def test_a_job_is_toggled_and_set(talking: QuartTrio) -> None:
    job_id = await made(talking)
    for body, enabled in ((None, False), ({}, True), ({"enabled": True}, True), ({"enabled": False}, False)):
        answer = await call(talking, "POST", f"/{job_id}/toggle", body)
        assert answer.json == {"toggled": True, "enabled": enabled}
        assert (await call(talking, "GET", f"/{job_id}")).json["job"]["enabled"] is enabled


@pytest.mark.parametrize("way", ["trigger", "run"])
async def test_a_job_is_run_by_hand_and_stands_in_its_history(talking: QuartTrio, path: MessagePath, way: str) -> None:
    job_id = await made(talking, enabled=False)
    if way == "trigger":
        answer = await call(talking, "POST", "/trigger", {"job_id": job_id})
    else:
        answer = await call(talking, "POST", f"/{job_id}/run")
    assert answer.status == 200
    assert answer.json == {"status": "ok", "message": "Task triggered", "runId": answer.json["runId"]}
    run = await ended(talking, job_id)
    assert (run["id"], run["status"], run["scheduledAt"]) == (answer.json["runId"], "success", None)
    with trio.fail_after(5):
        await path.pigeons.arrived.wait()
    assert [outbound.text for outbound in path.pigeons.sent] == ["Hello"]


async def test_a_job_that_runs_is_not_run_again(talking: QuartTrio, path: MessagePath) -> None:
    payload = {"kind": "agentTurn", "message": "wait"}
    job_id = await made(talking, payload=payload, sessionTarget="isolated")
    assert (await call(talking, "POST", f"/{job_id}/run")).status == 200
    with trio.fail_after(5):
        await path.script.begun.wait()
    refused = await call(talking, "POST", "/trigger", {"jobId": job_id})
    assert (refused.status, refused.error[0]) == (409, "CONFLICT")
    job = (await call(talking, "GET", f"/{job_id}")).json["job"]
    assert job["state"]["runningAtMs"] is not None
    path.script.go.set()
    run = await ended(talking, job_id)
    assert (run["sessionKey"], run["sessionType"], run["summary"]) == (f"cron:{job_id}", "isolated", "Waited")
    assert run["retryCount"] == 0
    assert run["duration"] >= 0


async def test_the_history_of_all_jobs_comes_newest_first_and_is_limited(talking: QuartTrio) -> None:
    first, second = await made(talking), await made(talking)
    for job_id in (first, second, first):
        await call(talking, "POST", f"/{job_id}/run")
    page = (await call(talking, "GET", "/runs/history?limit=2")).json
    assert [run["jobId"] for run in page["history"]] == [first, second]
    assert (page["limit"], page["hasMore"]) == (2, True)
    rest = (await call(talking, "GET", f"/runs/history?limit=2&cursor={page['nextCursor']}")).json
    assert len(rest["history"]) == 1
    assert (rest["hasMore"], rest["nextCursor"]) == (False, None)
    for path in (f"/{first}/history", "/runs/history"):
        cursor = (await call(talking, "GET", f"{path}?limit=1")).json["nextCursor"]
        for other in (f"/{second}/history", "/runs/history", f"/{first}/history"):
            answer = await call(talking, "GET", f"{other}?cursor={cursor}")
            assert answer.status == (200 if other == path else 400), (path, other)
    assert len((await call(talking, "GET", f"/{first}/history?limit=1")).json["history"]) == 1
    assert (await call(talking, "GET", "/runs/history?limit=501")).status == 400


async def test_the_metrics_count_what_has_happened(talking: QuartTrio) -> None:
    job_id = await made(talking)
    await made(talking, enabled=False)
    await call(talking, "POST", f"/{job_id}/run")
    await ended(talking, job_id)
    metrics = (await call(talking, "GET", "/metrics")).json
    assert metrics == {
        "schedulerEnabled": True,
        "totalJobs": 2,
        "enabledJobs": 1,
        "runningJobs": 0,
        "totalRuns": 1,
        "successfulRuns": 1,
        "failedRuns": 0,
        "cancelledRuns": 0,
        "skippedRuns": 0,
        "averageDurationMs": 0,
    }


async def test_metrics_that_are_off_are_not_found(tmp_path: Path) -> None:
    settings = Settings(cron=CronSettings(enable_metrics=False))
    async with open_message_path(tmp_path / "xopc.db", settings) as path:
        gate, generation = Gate(), Generation(path=path)
        gate.open(generation.services())
        answer = await call(build_app(gate, generation.door), "GET", "/metrics")
    assert (answer.status, answer.error[0]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "where"),
    [
        ("GET", "/nothing"),
        ("PATCH", "/nothing"),
        ("DELETE", "/nothing"),
        ("POST", "/nothing/run"),
        ("POST", "/nothing/toggle"),
        ("GET", "/nothing/history"),
    ],
)
async def test_what_there_is_not_is_not_found(talking: QuartTrio, method: str, where: str) -> None:
    answer = await call(talking, method, where)
    assert (answer.status, answer.error[0]) == (404, "NOT_FOUND")


async def test_a_job_is_removed(talking: QuartTrio) -> None:
    job_id = await made(talking)
    assert (await call(talking, "DELETE", f"/{job_id}")).json == {"removed": True}
    assert (await call(talking, "DELETE", f"/{job_id}")).status == 404


async def test_a_word_of_a_path_is_no_job(talking: QuartTrio) -> None:
    answer = await call(talking, "DELETE", "/metrics")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
