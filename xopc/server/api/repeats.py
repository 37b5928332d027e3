"""What makes two requests the same: all in them that decides what comes of them, and nothing else."""

from __future__ import annotations

import hashlib
import json

import attrs
from attrs import AttrsInstance, evolve

from xopc.contracts.api.messages import AgentRequest, BusyPolicy, SyncRequest
from xopc.contracts.convert import unstructure
from xopc.server.api.targets import DEFAULT_SESSION


def agent_request(body: AgentRequest) -> str:
    """A hash of what `POST /api/agent` is asked for: whether it waits for its turn, and how it is told, is left out."""
    session = DEFAULT_SESSION if body.new_session else body.session or DEFAULT_SESSION
    return _fingerprint("/api/agent", evolve(body, session=session, on_busy=BusyPolicy.WAIT, idempotency_key=None))


def sync_request(body: SyncRequest) -> str:
    """A hash of what `POST /api/message/sync` is asked for. An id is the same as a number and as a text."""
    thread = None if body.thread_id is None else str(body.thread_id)
    whole = evolve(body, chat_id=str(body.chat_id).strip(), thread_id=thread)
    counts_not = {"reply_to_message_id": None, "silent": False, "idempotency_key": None}
    return _fingerprint("/api/message/sync", evolve(whole, **counts_not))


def _fingerprint(path: str, body: AttrsInstance) -> str:
    """What is said as it would be anyway counts as not said, so that a field of a later version changes nothing."""
    said = {
        each.name: unstructure(value)
        for each in attrs.fields(type(body))
        if (value := getattr(body, each.name)) != each.default
    }
    return hashlib.sha256(json.dumps([path, said], sort_keys=True).encode()).hexdigest()
