"""What the reference shows: one invented conversation, as requests and answers."""

from __future__ import annotations

from xopc.contracts.api.messages import AbortOutcome, AgentAnswer, RunAborted
from xopc.contracts.api.status import (
    Health,
    HealthStatus,
    MemoryUse,
    Restart,
    RestartAccepted,
    RestartKind,
    Status,
    TaskState,
    TreeNode,
)
from xopc.contracts.api.storage import StorageUse
from xopc.contracts.openapi.operations import PathParameter
from xopc.contracts.transcript import Usage

_AT = "2026-11-20T10:00:00.000Z"
_BOOT = "6b1f0c2e"
_KEY = "main:webchat:default:direct:notes"
_MESSAGE = "msg_019aa1b2-7c3d-7e4f-8a5b-0c1d2e3f4a5b"
_REPLY = "Hello! How can I help?"
_RUN = "0f6c2c6e-8f0e-4c55-9a3b-0e3c1c0a7a11"

KEY = PathParameter("The key of a session, as it is or percent-encoded; `agent:` before it is left out.", _KEY)

HEALTHY = Health(HealthStatus.HEALTHY, 3600, "xopc-gateway", "0.1.0", _BOOT, 3, 4100, 4101, _AT)
STOPPING = Health(HealthStatus.STOPPING, 3600, "xopc-gateway", "0.1.0", _BOOT, 3, 4100, 4101, _AT)
STATUS = Status(
    health=HEALTHY,
    port=18790,
    addresses=("127.0.0.1:18790",),
    auth_mode="token",
    config_path="/home/ann/.xopc/xopc.json",
    state_dir="/home/ann/.xopc",
    last_restart=Restart(RestartKind.IN_PROCESS, "a new configuration", _BOOT, 3, _AT, 12),
    restarts=2,
    memory=MemoryUse(41_943_040, 39_845_888),
    connections=1,
    warnings=(),
    storage=StorageUse(
        database_bytes=12_582_912,
        wal_bytes=4_194_304,
        free_bytes=65_536,
        disk_free_bytes=41_943_040_000,
        log_bytes=1_048_576,
        sessions=12,
        messages=4100,
        inbox_waiting=1,
        outbox_waiting=0,
        dead_letters=2,
    ),
)
TREE = TreeNode("main", TaskState.RUNNING, _AT, children=(TreeNode("storage", TaskState.RUNNING, _AT),))
RESTARTING = RestartAccepted("restarting", _BOOT, 3)

TO_A_CHAT = {"message": {"channel": "telegram", "chat_id": "123456", "content": "Hello"}}
QUEUED = {"status": "ok", "message_id": _MESSAGE}
ANSWERED = {"status": "ok", "reply": _REPLY}

TO_THE_AGENT: dict[str, object] = {
    "message": {"message": "Hello"},
    "in a session": {"message": "Hello", "session": "notes", "onBusy": "reject"},
}
AGENT_ANSWER = AgentAnswer("ok", _REPLY, "notes", _KEY, _RUN, Usage(12, 8), "openai/gpt-6-luna")
RUN_OF = {"run": {"runId": _RUN}}
ABORTED = RunAborted(AbortOutcome(True))
RUN_EVENT = {"id": "2", "event": "token", "data": '{"type":"token","content":"Hello!"}'}
BROADCAST_EVENT = {"id": f"{_BOOT}-18", "event": "session.updated", "data": f'{{"key":"{_KEY}"}}'}
LOG_EVENT = {
    "id": "app-2026-11-20.log-4711",
    "event": "log",
    "data": f'{{"timestamp":"{_AT}","level":"info","message":"Restarted.","module":"xopc.gateway"}}',
}
CHANGED = {"agents": {"defaults": {"temperature": 0.5}}}
