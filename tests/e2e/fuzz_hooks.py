"""What no schema can say of the requests of `test_openapi.py`: which agents, models and settings there are, say."""

from __future__ import annotations

from typing import Any, cast

import schemathesis

_THERE_IS = {"agentId": "main", "accountId": "default", "model": "fake/echo", "channel": "telegram"}
"""Of the configuration that the gateway under test has."""
_A_CHANGE = {"agents": {"defaults": {"temperature": 0.5, "imageModel": {"primary": "fake/echo"}}}}
"""Of the configuration, whose keys depend on each other and on what the file has: no schema says which go together."""
_A_JOB = {
    "schedule": "0 9 * * *",
    "timezone": "Europe/Berlin",
    "sessionTarget": "main",
    "payload": {"kind": "systemEvent", "text": "Hello"},
    "delivery": {"mode": "direct", "channel": "telegram", "to": "7"},
    "model": "fake/echo",
}
"""Of jobs, what has to fit together, or to be known."""
_IN_SHORT = ("message", "channel", "chat_id", "chatId")
"""What is no part of a job that has its payload and its delivery."""


@cast("Any", schemathesis).hook
def before_call(context: object, case: Any, kwargs: dict[str, Any]) -> None:  # noqa: ANN401  as it is called
    """Name what there is, in requests that are meant to be good; those that are meant to be bad stay as they are."""
    body: Any = case.body
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    cast("dict[str, Any]", case.query or {}).pop("cursor", None)  # is nothing that can be made up: an answer gives it
    if not hasattr(body, "keys"):
        return
    if case.path == "/api/config":
        case.body = _A_CHANGE
        return
    if case.path.startswith("/api/cron"):
        if "schedule" in body and case.method == "POST":
            body["payload"] = _A_JOB["payload"]
        body |= {key: value for key, value in _A_JOB.items() if body.get(key) is not None}
        for key in _IN_SHORT:
            body.pop(key, None)
        return
    for key, value in _THERE_IS.items():
        if isinstance(body.get(key), str) and (key != "channel" or "content" in body):
            body[key] = value
    if {"idempotency_key", "idempotencyKey"} & body.keys():
        case.headers.pop("Idempotency-Key", None)  # two that differ are a mistake, and each is drawn by itself
