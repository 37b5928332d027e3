"""For each route a request that it answers with its own status, however often it is asked."""

from __future__ import annotations

import json
from uuid import uuid4

from quart_trio import QuartTrio

from tests.fakes.asgi import Answer, ask
from tests.fakes.jobs import direct
from tests.fakes.message_path import MessagePath
from xopc.server.routes import Route

KEY = "main:webchat:default:direct:example"
BODIES: dict[str, dict[str, object]] = {
    "POST /api/message": {"channel": "pigeons", "chat_id": "5", "content": "Hello"},
    "POST /api/message/sync": {"channel": "pigeons", "chat_id": "5", "content": "Hello"},
    "POST /api/agent": {"message": "Hello"},
    "POST /api/agent/abort": {"runId": "none"},
    "POST /api/sessions/forget": {"person": "pigeons:5"},
    "POST /api/sessions/prune": {},
    "POST /api/sessions/{key}/rename": {"name": "Example"},
    "PATCH /api/sessions/{key}": {},
    "PATCH /api/sessions/{key}/agent-config": {},
    "POST /api/logs/level": {"level": "debug"},
    "PUT /api/workspace/heartbeat-md": {"content": "- Look at the sky."},
}


async def ask_well(app: QuartTrio, path: MessagePath, route: Route, *headers: tuple[bytes, bytes]) -> Answer:
    """The answer to a good request. Of a stream without an end it is the beginning."""
    target, body = route.path, BODIES.get(str(route))
    match str(route):
        case "GET /api/events" | "GET /api/logs/stream":
            return await ask(app, route.method, target, headers, glances=True)
        case "POST /api/agent/resume":
            run_id = (await ask(app, "POST", "/api/agent", headers, b'{"message": "Hello"}')).json["runId"]
            body = {"runId": run_id}
        case "POST /api/sessions":
            body = {"chat_id": str(uuid4())}
        case _ if "{key}" in target:
            await path.storage.create_session(KEY, "example")
            target = target.replace("{key}", KEY)
        case "POST /api/cron" | "POST /api/cron/create":
            body = {"schedule": "0 9 * * *", "message": "Hello"}
        case "POST /api/cron/trigger":
            body = {"job_id": await _job(path)}
        case _ if target.startswith("/api/cron/{id}"):
            target = target.replace("{id}", await _job(path))
        case _ if target.startswith("/api/inbox/{id}"):
            target = target.replace("{id}", await path.parked())
        case _ if "{id}" in target:
            target = target.replace("{id}", await path.dead_letter())
        case _:
            pass
    return await ask(app, route.method, target, headers, None if body is None else json.dumps(body).encode())


async def _job(path: MessagePath) -> str:
    """The id of a new job."""
    job_id = uuid4().hex[:8]
    await path.cron.add(direct(id=job_id))
    return job_id
