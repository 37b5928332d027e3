"""From what somebody asks for to a job, and from one version of a job to the next: pure functions, with every problem
told by its path."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from attrs import evolve, frozen

from xopc.contracts.api.cron import ChangeJob, CreateJob, DeliveryBody, PayloadBody, ScheduleBody
from xopc.contracts.cron import (
    DeliveryMode,
    Job,
    JobDelivery,
    Payload,
    PayloadKind,
    Schedule,
    ScheduleKind,
    SessionTarget,
)
from xopc.contracts.errors import InvalidValueError, Problem
from xopc.contracts.timezones import find_timezone
from xopc.core.cron.placing import DEFAULT_CHANNEL
from xopc.core.cron.schedule import ScheduleError, next_cron

_ADDRESSED = re.compile(r"([a-z][a-z0-9_-]{0,31}):([^\s:]{1,100}):(.+)", re.DOTALL)
"""A text that says where it goes: `telegram:123456:Good morning`."""


@frozen
class Circumstances:
    """What a job is asked for in."""

    now: float
    """Seconds since the epoch."""
    timezone: str
    """Of jobs that name none."""
    channels: Mapping[str, Sequence[str]]
    """Those that are enabled, with their enabled accounts."""


def made(body: CreateJob, given: Circumstances) -> Job:
    """The job that is asked for, with an id of its own.

    Raises:
        InvalidValueError: with each problem.
    """
    job = Job(
        id=secrets.token_hex(4),
        schedule=_schedule(body.schedule, body.timezone, given),
        payload=_payload(body),
        created_at=given.now,
        updated_at=given.now,
        name=body.name or None,
        timezone=body.timezone or None,
        enabled=body.enabled,
        session_target=body.session_target,
        delivery=_delivery_of(body),
        model=body.model or None,
        max_retries=body.max_retries,
        timeout_ms=body.timeout,
    )
    at = "$.channel" if body.delivery is None else "$.delivery.channel"
    return _checked(_deliverable(_addressed(job, given.channels), given.channels, at))


def changed(job: Job, body: ChangeJob, given: Circumstances) -> Job:
    """A job with what is asked to be changed.

    Raises:
        InvalidValueError: with each problem.
    """
    timezone = job.timezone if body.timezone is None else body.timezone or None
    schedule = job.schedule
    if body.schedule is not None:
        schedule = _schedule(body.schedule, timezone, given)
    elif timezone != job.timezone:
        _zone(timezone, given)
    delivery = job.delivery if body.delivery is None else _delivery(body.delivery)
    edited = _checked(
        evolve(
            job,
            schedule=schedule,
            timezone=timezone,
            payload=job.payload if body.payload is None else _said(body.payload),
            updated_at=given.now,
            name=job.name if body.name is None else body.name or None,
            enabled=job.enabled if body.enabled is None else body.enabled,
            session_target=body.session_target or job.session_target,
            delivery=delivery,
            model=job.model if body.model is None else body.model or None,
            max_retries=job.max_retries if body.max_retries is None else body.max_retries,
            timeout_ms=body.timeout or job.timeout_ms,
        )
    )
    # A channel that was switched off since keeps nobody from changing something else.
    return edited if delivery == job.delivery else _deliverable(edited, given.channels, "$.delivery.channel")


# ---------------------------------------------------------------- schedules


def _schedule(body: str | ScheduleBody, timezone: str | None, given: Circumstances) -> Schedule:
    zone = _zone(timezone, given)
    if isinstance(body, str):
        return _cron(body, zone, given.now, "$.schedule")
    values: dict[ScheduleKind, object] = {
        ScheduleKind.CRON: body.expr,
        ScheduleKind.AT: body.at,
        ScheduleKind.EVERY: body.every_ms,
    }
    keys = {ScheduleKind.CRON: "expr", ScheduleKind.AT: "at", ScheduleKind.EVERY: "everyMs"}
    if values[body.kind] is None:
        raise InvalidValueError(Problem(f"$.schedule.{keys[body.kind]}", "is missing"))
    if strange := [kind for kind, value in values.items() if kind is not body.kind and value is not None]:
        problem = f'belongs to the kind "{strange[0].value}", and the kind is "{body.kind.value}"'
        raise InvalidValueError(Problem(f"$.schedule.{keys[strange[0]]}", problem))
    if body.expr is not None:
        return _cron(body.expr, zone, given.now, "$.schedule.expr")
    if body.at is not None:
        return Schedule(body.kind, at=_at(body.at, zone, given.now))
    return Schedule(body.kind, every_ms=body.every_ms)


def _zone(timezone: str | None, given: Circumstances) -> ZoneInfo:
    zone = find_timezone(timezone or given.timezone)
    if zone is None:
        problem = 'must be a time zone of the IANA database, such as "Europe/Berlin" or "UTC"'
        raise InvalidValueError(Problem("$.timezone", problem))
    return zone


def _cron(expr: str, zone: ZoneInfo, now: float, path: str) -> Schedule:
    expr = " ".join(expr.split())
    try:
        next_cron(expr, zone, now)
    except ScheduleError as error:
        raise InvalidValueError(Problem(path, f"is no cron expression that ever comes: {error}")) from None
    return Schedule(ScheduleKind.CRON, expr=expr)


def _at(text: str, zone: ZoneInfo, now: float) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
        at = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
        datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        problem = 'must be a time in ISO 8601, such as "2026-12-24T18:00:00+01:00"'
        raise InvalidValueError(Problem("$.schedule.at", problem)) from None
    if at <= now:
        raise InvalidValueError(Problem("$.schedule.at", "has passed"))
    return at


# ------------------------------------------------------- what is said, where


def _payload(body: CreateJob) -> Payload:
    if body.payload is not None and body.message is not None:
        raise InvalidValueError(Problem("$.message", "is said by payload already; send one of them"))
    if body.payload is not None:
        return _said(body.payload)
    if body.message is None:
        raise InvalidValueError(Problem("$.payload", "is missing; or send message, which is its text"))
    is_isolated = body.session_target is SessionTarget.ISOLATED
    return Payload(PayloadKind.AGENT_TURN if is_isolated else PayloadKind.SYSTEM_EVENT, body.message)


def _said(body: PayloadBody) -> Payload:
    is_turn = body.kind is PayloadKind.AGENT_TURN
    text, other = (body.message, body.text) if is_turn else (body.text, body.message)
    key, other_key = ("message", "text") if is_turn else ("text", "message")
    if other is not None:
        raise InvalidValueError(Problem(f"$.payload.{other_key}", f"is not of this kind; {key} holds what it says"))
    if text is None:
        raise InvalidValueError(Problem(f"$.payload.{key}", "is missing"))
    return Payload(body.kind, text, body.model or None, body.timeout_seconds)


def _delivery_of(body: CreateJob) -> JobDelivery | None:
    chat = None if body.chat_id is None else str(body.chat_id).strip()
    if body.delivery is None:
        is_said = body.channel is not None or chat is not None
        return JobDelivery(channel=body.channel, to=chat) if is_said else None
    for path, value in (("$.channel", body.channel), ("$.chat_id", chat)):
        if value is not None:
            raise InvalidValueError(Problem(path, "is said by delivery already; leave it out"))
    return _delivery(body.delivery)


def _delivery(body: DeliveryBody) -> JobDelivery:
    return JobDelivery(body.mode, body.channel or None, body.to or None, body.best_effort, body.account_id or None)


def _addressed(job: Job, channels: Collection[str]) -> Job:
    """A job whose text says where it goes, with that as its delivery."""
    match = _ADDRESSED.fullmatch(job.payload.text)
    if job.delivery is not None or match is None or match[1] not in channels or not match[3].strip():
        return job
    return evolve(
        job, payload=evolve(job.payload, text=match[3].strip()), delivery=JobDelivery(channel=match[1], to=match[2])
    )


def _deliverable(job: Job, channels: Mapping[str, Sequence[str]], path: str) -> Job:
    """A job whose answer goes to a channel and an account that there are, or nowhere."""
    delivery = job.delivery
    if delivery is None or delivery.mode is DeliveryMode.NONE or delivery.channel in (None, DEFAULT_CHANNEL):
        return job
    if delivery.channel not in channels:
        raise InvalidValueError(Problem(path, f"names no enabled channel; there are: {', '.join(sorted(channels))}"))
    accounts = channels[delivery.channel]
    if delivery.account is not None and delivery.account not in accounts:
        problem = f"names no enabled account of {delivery.channel}; there are: {', '.join(accounts)}"
        raise InvalidValueError(Problem("$.delivery.accountId", problem))
    return job


def _checked(job: Job) -> Job:
    if problems := list(_problems(job)):
        raise InvalidValueError(*problems)
    return job


def _problems(job: Job) -> Iterator[Problem]:
    is_event = job.payload.kind is PayloadKind.SYSTEM_EVENT
    if job.session_target is SessionTarget.ISOLATED and is_event:
        yield Problem("$.payload.kind", 'must be "agentTurn", for sessionTarget is "isolated"')
    delivery = job.delivery
    if delivery is None or delivery.mode is DeliveryMode.NONE:
        return
    for key, value, other in (("channel", delivery.channel, delivery.to), ("to", delivery.to, delivery.channel)):
        if value is None and (other is not None or delivery.mode is DeliveryMode.DIRECT):
            yield Problem(f"$.delivery.{key}", "is missing; channel and to belong together")
    if delivery.account is not None and delivery.channel is None:
        yield Problem("$.delivery.accountId", "is of no channel; say channel and to, too")
    if job.is_direct and delivery.channel == DEFAULT_CHANNEL:
        yield Problem("$.delivery.channel", "must be a channel that messages can be sent to, which the CLI is not")
