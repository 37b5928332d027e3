"""What the reference shows of jobs: one invented job, and a run of it."""

from __future__ import annotations

from collections.abc import Mapping

from xopc.contracts.api.cron import (
    CronDelivery,
    CronExecution,
    CronHistory,
    CronJob,
    CronJobChanged,
    CronJobCreated,
    CronJobRead,
    CronJobs,
    CronJobState,
    CronMetrics,
    CronPayload,
    CronTriggered,
)
from xopc.contracts.cron import DeliveryMode, PayloadKind, RunStatus, SessionTarget
from xopc.contracts.openapi.operations import PathParameter

_AT = "2026-11-20T08:00:00.000Z"
_ID = "5f0c1a2b"
_SCHEDULE = "0 9 * * 1-5"

JOB_ID = PathParameter("What `POST /api/cron` answered as `id`.", _ID)

IN_FULL: Mapping[str, object] = {
    "name": "Morning news",
    "schedule": _SCHEDULE,
    "timezone": "Europe/Berlin",
    "sessionTarget": "isolated",
    "payload": {"kind": "agentTurn", "message": "What is new today?"},
    "delivery": {"mode": "announce", "channel": "telegram", "to": "123456"},
}
NEW_JOBS: Mapping[str, object] = {
    "a job": IN_FULL,
    "in short": {"schedule": "30 17 * * *", "message": "Water the plants", "channel": "telegram", "chat_id": "123456"},
    "again and again": {"schedule": {"kind": "every", "everyMs": 3_600_000}, "message": "Look at the mail"},
    "a text as it is": {
        "schedule": "0 8 * * *",
        "payload": {"kind": "systemEvent", "text": "Good morning!"},
        "delivery": {"mode": "direct", "channel": "telegram", "to": "123456"},
    },
}
CHANGES: Mapping[str, object] = {"another time": {"schedule": "0 10 * * 1-5"}}
TRIGGER: Mapping[str, object] = {"job": {"job_id": _ID}}

JOB = CronJob(
    id=_ID,
    name="Morning news",
    schedule=_SCHEDULE,
    timezone="Europe/Berlin",
    enabled=True,
    session_target=SessionTarget.ISOLATED,
    payload=CronPayload(PayloadKind.AGENT_TURN, None, "What is new today?", None, None),
    delivery=CronDelivery(DeliveryMode.ANNOUNCE, "telegram", "123456", best_effort=False),
    model=None,
    max_retries=3,
    timeout=60_000,
    created_at=_AT,
    updated_at=_AT,
    next_run="2026-11-23T08:00:00.000Z",
    schedule_error=None,
    state=CronJobState(
        next_run_at_ms=1_795_420_800_000,
        running_at_ms=None,
        last_run_at_ms=1_795_161_600_000,
        last_status=RunStatus.SUCCESS,
        last_error=None,
        last_duration_ms=2100,
        consecutive_errors=0,
        schedule_error_count=0,
    ),
)
JOBS = CronJobs((JOB,))
READ = CronJobRead(JOB)
CREATED = CronJobCreated(_ID, _SCHEDULE, JOB)
CHANGED = CronJobChanged(JOB)
TRIGGERED = CronTriggered("0f6c2c6e-8f0e-4c55-9a3b-0e3c1c0a7a12")
HISTORY = CronHistory(
    (
        CronExecution(
            id=TRIGGERED.run_id,
            job_id=_ID,
            status=RunStatus.SUCCESS,
            scheduled_at=_AT,
            started_at=_AT,
            ended_at="2026-11-20T08:00:02.100Z",
            duration=2100,
            error=None,
            summary="Nothing much: it rains.",
            retry_count=0,
            retry_at=None,
            session_id="0f6c2c6e-8f0e-4c55-9a3b-0e3c1c0a7a13",
            session_key=f"cron:{_ID}",
            session_type=SessionTarget.ISOLATED,
            model="openai/gpt-6-luna",
        ),
    ),
    limit=10,
    has_more=False,
    next_cursor=None,
)
METRICS = CronMetrics(
    scheduler_enabled=True,
    total_jobs=1,
    enabled_jobs=1,
    running_jobs=0,
    total_runs=12,
    successful_runs=11,
    failed_runs=1,
    cancelled_runs=0,
    skipped_runs=2,
    average_duration_ms=2300,
)
