from __future__ import annotations

from datetime import UTC, datetime

import pytest
from attrs import evolve

from xopc.contracts.api.cron import ChangeJob, CreateJob, DeliveryBody, PayloadBody, ScheduleBody
from xopc.contracts.convert import structure
from xopc.contracts.cron import DeliveryMode, JobDelivery, Payload, PayloadKind, Schedule, ScheduleKind, SessionTarget
from xopc.contracts.errors import InvalidValueError
from xopc.core.cron.jobs import Circumstances, changed, made

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()
GIVEN = Circumstances(NOW, "UTC", {"telegram": ("default", "work"), "webchat": ("default",)})
TURN = PayloadBody(PayloadKind.AGENT_TURN, message="Hello")
EVENT = PayloadBody(PayloadKind.SYSTEM_EVENT, text="Hello")


def _to(channel: str, account: str | None = None) -> DeliveryBody:
    return DeliveryBody(DeliveryMode.ANNOUNCE, channel, "7", account_id=account)


def problem(body: CreateJob) -> str:
    """The path of what is wrong."""
    with pytest.raises(InvalidValueError) as refused:
        made(body, GIVEN)
    return refused.value.problems[0].path


def test_a_job_has_an_id_of_its_own_and_the_defaults() -> None:
    job = made(CreateJob("0 9 * * *", payload=TURN), GIVEN)
    assert len(job.id) == 8
    assert int(job.id, 16) >= 0
    assert job.schedule == Schedule(ScheduleKind.CRON, expr="0 9 * * *")
    assert job.payload == Payload(PayloadKind.AGENT_TURN, "Hello")
    assert (job.created_at, job.updated_at, job.enabled, job.max_retries) == (NOW, NOW, True, 3)
    assert (job.session_target, job.delivery) == (SessionTarget.MAIN, None)
    assert made(CreateJob("0 9 * * *", payload=TURN), GIVEN).id != job.id


def test_in_short_a_message_is_an_event_of_the_main_session_or_a_turn_of_its_own() -> None:
    job = made(CreateJob("0 9 * * *", message="Hello", channel="telegram", chat_id=-7), GIVEN)
    assert job.payload == Payload(PayloadKind.SYSTEM_EVENT, "Hello")
    assert job.delivery == JobDelivery(DeliveryMode.ANNOUNCE, "telegram", "-7")
    isolated = made(CreateJob("0 9 * * *", message="Hello", session_target=SessionTarget.ISOLATED), GIVEN)
    assert isolated.payload.kind is PayloadKind.AGENT_TURN


def test_a_text_may_say_where_it_goes() -> None:
    job = made(CreateJob("0 9 * * *", message="telegram:-100:Good morning: all"), GIVEN)
    assert (job.payload.text, job.delivery) == ("Good morning: all", JobDelivery(channel="telegram", to="-100"))
    for text in ("pigeons:7:Hello", "telegram:7:  ", "remember: this: too", "telegram:a b:Hello"):
        plain = made(CreateJob("0 9 * * *", message=text), GIVEN)
        assert (plain.payload.text, plain.delivery) == (text, None)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (ScheduleBody(ScheduleKind.CRON, expr=" 0  9 * * *"), Schedule(ScheduleKind.CRON, expr="0 9 * * *")),
        (ScheduleBody(ScheduleKind.EVERY, every_ms=1000), Schedule(ScheduleKind.EVERY, every_ms=1000)),
        (ScheduleBody(ScheduleKind.AT, at="2026-11-26T13:00:00Z"), Schedule(ScheduleKind.AT, at=NOW + 3600)),
        (ScheduleBody(ScheduleKind.AT, at="2026-11-26T14:00:00"), Schedule(ScheduleKind.AT, at=NOW + 3600)),
    ],
)
def test_each_kind_of_schedule_is_understood(schedule: ScheduleBody, expected: Schedule) -> None:
    job = made(CreateJob(schedule, payload=TURN, timezone="Europe/Berlin"), GIVEN)
    assert job.schedule == expected


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (CreateJob("x", message="Hi"), "$.schedule"),
        (CreateJob(ScheduleBody(ScheduleKind.CRON), message="Hi"), "$.schedule.expr"),
        (CreateJob(ScheduleBody(ScheduleKind.CRON, expr="x"), message="Hi"), "$.schedule.expr"),
        (CreateJob(ScheduleBody(ScheduleKind.AT), message="Hi"), "$.schedule.at"),
        (CreateJob(ScheduleBody(ScheduleKind.AT, at="tomorrow"), message="Hi"), "$.schedule.at"),
        (CreateJob(ScheduleBody(ScheduleKind.AT, at="0001-01-01T00:00:00+14:00"), message="Hi"), "$.schedule.at"),
        (CreateJob(ScheduleBody(ScheduleKind.AT, at="2026-11-26T12:00:00Z"), message="Hi"), "$.schedule.at"),
        (CreateJob(ScheduleBody(ScheduleKind.EVERY), message="Hi"), "$.schedule.everyMs"),
        (CreateJob(ScheduleBody(ScheduleKind.EVERY, at="x", every_ms=1000), message="Hi"), "$.schedule.at"),
        (CreateJob("0 9 * * *", message="Hi", timezone="Mars/Olympus"), "$.timezone"),
        (CreateJob("0 9 * * *"), "$.payload"),
        (CreateJob("0 9 * * *", payload=TURN, message="Hi"), "$.message"),
        (CreateJob("0 9 * * *", payload=PayloadBody(PayloadKind.AGENT_TURN)), "$.payload.message"),
        (CreateJob("0 9 * * *", payload=PayloadBody(PayloadKind.SYSTEM_EVENT)), "$.payload.text"),
        (CreateJob("0 9 * * *", payload=evolve(TURN, text="Hi")), "$.payload.text"),
        (CreateJob("0 9 * * *", payload=EVENT, session_target=SessionTarget.ISOLATED), "$.payload.kind"),
        (CreateJob("0 9 * * *", message="Hi", channel="telegram"), "$.delivery.to"),
        (CreateJob("0 9 * * *", message="Hi", chat_id="7"), "$.delivery.channel"),
        (CreateJob("0 9 * * *", message="Hi", channel="x", delivery=DeliveryBody(DeliveryMode.NONE)), "$.channel"),
        (CreateJob("0 9 * * *", payload=EVENT, delivery=DeliveryBody(DeliveryMode.DIRECT)), "$.delivery.channel"),
        (
            CreateJob("0 9 * * *", payload=EVENT, delivery=DeliveryBody(DeliveryMode.DIRECT, "cli", "cron")),
            "$.delivery.channel",
        ),
        (CreateJob("0 9 * * *", message="Hi", channel="telegarm", chat_id="7"), "$.channel"),
        (CreateJob("0 9 * * *", message="Hi", delivery=_to("telegarm")), "$.delivery.channel"),
        (CreateJob("0 9 * * *", message="Hi", delivery=_to("telegram", "home")), "$.delivery.accountId"),
        (
            CreateJob("0 9 * * *", message="Hi", delivery=DeliveryBody(DeliveryMode.ANNOUNCE, account_id="home")),
            "$.delivery.accountId",
        ),
    ],
)
def test_what_is_wrong_is_told_by_its_path(body: CreateJob, path: str) -> None:
    assert problem(body) == path


@pytest.mark.parametrize("delivery", [_to("cli"), _to("telegram"), _to("telegram", "work"), _to("telegram", "")])
def test_an_answer_goes_to_a_channel_and_an_account_that_there_are(delivery: DeliveryBody) -> None:
    made_one = made(CreateJob("0 9 * * *", message="Hi", delivery=delivery), GIVEN)
    assert made_one.delivery == JobDelivery(channel=delivery.channel, to="7", account=delivery.account_id or None)


def test_a_channel_that_was_switched_off_since_keeps_nobody_from_changing_something_else() -> None:
    job = made(CreateJob("0 9 * * *", message="Hi", delivery=_to("telegram")), GIVEN)
    without = evolve(GIVEN, channels={"webchat": ("default",)})
    assert changed(job, ChangeJob(name="News", delivery=_to("telegram")), without).name == "News"
    with pytest.raises(InvalidValueError, match="names no enabled channel; there are: webchat"):
        changed(job, ChangeJob(delivery=_to("telegram", "work")), without)


def test_a_change_leaves_what_it_does_not_name() -> None:
    job = made(
        structure(
            {"schedule": "0 9 * * *", "message": "Hi", "name": "One", "model": "a/b", "timeout": 5000}, CreateJob
        ),
        GIVEN,
    )
    later = evolve(GIVEN, now=NOW + 1)
    assert changed(job, ChangeJob(), later) == evolve(job, updated_at=NOW + 1)
    other = changed(
        job,
        ChangeJob(
            schedule="0 10 * * *",
            payload=TURN,
            name="",
            timezone="Europe/Berlin",
            enabled=False,
            session_target=SessionTarget.ISOLATED,
            delivery=DeliveryBody(DeliveryMode.DIRECT, "telegram", "7"),
            model="",
            max_retries=0,
            timeout=1000,
        ),
        later,
    )
    assert other == evolve(
        job,
        schedule=Schedule(ScheduleKind.CRON, expr="0 10 * * *"),
        payload=Payload(PayloadKind.AGENT_TURN, "Hello"),
        name=None,
        timezone="Europe/Berlin",
        enabled=False,
        session_target=SessionTarget.ISOLATED,
        delivery=JobDelivery(DeliveryMode.DIRECT, "telegram", "7"),
        model=None,
        max_retries=0,
        timeout_ms=1000,
        updated_at=NOW + 1,
    )
    assert changed(other, ChangeJob(timezone=""), later).timezone is None


@pytest.mark.parametrize("body", [ChangeJob(timezone="Mars/Olympus"), ChangeJob(session_target=SessionTarget.ISOLATED)])
def test_a_change_has_to_leave_a_job_that_could_be_made(body: ChangeJob) -> None:
    job = made(CreateJob("0 9 * * *", payload=EVENT), GIVEN)
    with pytest.raises(InvalidValueError):
        changed(job, body, GIVEN)


def test_a_time_that_has_passed_is_no_obstacle_to_another_change() -> None:
    job = made(CreateJob(ScheduleBody(ScheduleKind.AT, at="2026-11-26T13:00:00Z"), message="Hi"), GIVEN)
    assert changed(job, ChangeJob(name="Old"), evolve(GIVEN, now=NOW + 10_000)).name == "Old"
