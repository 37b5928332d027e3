"""What the reference shows of the heartbeat, invented."""

from __future__ import annotations

from xopc.contracts.api.heartbeat import HeartbeatBeat, HeartbeatState, TasksContent, TasksShown
from xopc.contracts.transcript import RunState

TASKS = "# Every morning\n\n- Tell me when it is going to rain today.\n"

STATE = HeartbeatState(
    enabled=True,
    interval_ms=1_800_000,
    target="telegram",
    target_chat_id="123456",
    next_at="2026-11-20T10:30:00.000Z",
    last=HeartbeatBeat(
        begun_at="2026-11-20T10:00:00.000Z",
        reason="interval",
        session_key="heartbeat:main",
        run_id="0f6c2c6e-8f0e-4c55-9a3b-0e3c1c0a7a11",
        state=RunState.DONE,
    ),
    skipped=None,
)
SHOWN = TasksShown(TasksContent(TASKS))
