"""Jobs and their runs, as the API tells them."""

from __future__ import annotations

from xopc.contracts.api.cron import (
    CronDelivery,
    CronExecution,
    CronJob,
    CronJobState,
    CronMetrics,
    CronPayload,
    CronSchedule,
)
from xopc.contracts.cron import JobDelivery, JobRun, JobState, Payload, PayloadKind, Schedule, SessionTarget, StoredJob
from xopc.contracts.keys import SessionType, parse_key
from xopc.server.api.times import iso_utc
from xopc.storage.path.cron import CronTotals


def shown_job(stored: StoredJob) -> CronJob:
    """A job with how it fares."""
    job, state = stored.job, stored.state
    return CronJob(
        id=job.id,
        name=job.name,
        schedule=shown_schedule(job.schedule),
        timezone=job.timezone,
        enabled=job.enabled,
        session_target=job.session_target,
        payload=_shown_payload(job.payload),
        delivery=job.delivery and _shown_delivery(job.delivery),
        model=job.model,
        max_retries=job.max_retries,
        timeout=job.timeout_ms,
        created_at=iso_utc(job.created_at),
        updated_at=iso_utc(job.updated_at),
        next_run=None if state.next_run_at is None else iso_utc(state.next_run_at),
        schedule_error=state.schedule_error,
        state=_shown_state(state),
    )


def shown_schedule(schedule: Schedule) -> str | CronSchedule:
    """A schedule as it may be sent again."""
    if schedule.expr is not None:
        return schedule.expr
    at = None if schedule.at is None else iso_utc(schedule.at)
    return CronSchedule(schedule.kind, None, at, schedule.every_ms)


def shown_run(run: JobRun) -> CronExecution:
    """One run of a job."""
    key = parse_key(run.session_key) if run.session_key else None
    is_isolated = key is not None and key.type is SessionType.CRON
    return CronExecution(
        id=run.id,
        job_id=run.job_id,
        status=run.status,
        scheduled_at=None if run.scheduled_at is None else iso_utc(run.scheduled_at),
        started_at=iso_utc(run.started_at),
        ended_at=None if run.ended_at is None else iso_utc(run.ended_at),
        duration=None if run.ended_at is None else max(round((run.ended_at - run.started_at) * 1000), 0),
        error=run.error,
        summary=run.summary,
        retry_count=run.retries,
        retry_at=None if run.retry_at is None else iso_utc(run.retry_at),
        session_id=run.turn_id,
        session_key=run.session_key,
        session_type=SessionTarget.ISOLATED if is_isolated else SessionTarget.MAIN,
        model=run.model,
    )


def shown_totals(totals: CronTotals, *, is_enabled: bool) -> CronMetrics:
    """How jobs have fared."""
    timed = totals.successes + totals.failures
    return CronMetrics(
        scheduler_enabled=is_enabled,
        total_jobs=totals.jobs,
        enabled_jobs=totals.enabled,
        running_jobs=totals.running,
        total_runs=timed + totals.cancellations,
        successful_runs=totals.successes,
        failed_runs=totals.failures,
        cancelled_runs=totals.cancellations,
        skipped_runs=totals.skips,
        average_duration_ms=round(totals.total_ms / timed) if timed else None,
    )


def _shown_payload(payload: Payload) -> CronPayload:
    is_turn = payload.kind is PayloadKind.AGENT_TURN
    text, message = (None, payload.text) if is_turn else (payload.text, None)
    return CronPayload(payload.kind, text, message, payload.model, payload.timeout_seconds)


def _shown_delivery(delivery: JobDelivery) -> CronDelivery:
    return CronDelivery(delivery.mode, delivery.channel, delivery.to, delivery.best_effort, delivery.account)


def _shown_state(state: JobState) -> CronJobState:
    return CronJobState(
        next_run_at_ms=_ms(state.next_run_at),
        running_at_ms=_ms(state.running_since),
        last_run_at_ms=_ms(state.last_run_at),
        last_status=state.last_status,
        last_error=state.last_error,
        last_duration_ms=state.last_duration_ms,
        consecutive_errors=state.consecutive_errors,
        schedule_error_count=state.schedule_errors,
    )


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
