from __future__ import annotations

from attrs import evolve

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

JOB = Job(
    id="5f0c1a2b",
    schedule=Schedule(ScheduleKind.CRON, expr="0 9 * * *"),
    payload=Payload(PayloadKind.AGENT_TURN, "Hello"),
    created_at=1,
    updated_at=1,
    model="a/job",
)


def test_only_the_main_session_has_jobs_whose_text_is_sent_as_it_is() -> None:
    direct = evolve(JOB, delivery=JobDelivery(DeliveryMode.DIRECT, "telegram", "7"))
    assert direct.is_direct
    assert not evolve(direct, session_target=SessionTarget.ISOLATED).is_direct
    assert not evolve(JOB, delivery=JobDelivery(DeliveryMode.ANNOUNCE, "telegram", "7")).is_direct
    assert not JOB.is_direct


def test_what_the_payload_says_of_model_and_time_goes_before_what_the_job_says() -> None:
    assert (JOB.chosen_model, JOB.timeout_seconds) == ("a/job", 60.0)
    special = evolve(JOB, payload=Payload(PayloadKind.AGENT_TURN, "Hello", "a/payload", 10))
    assert (special.chosen_model, special.timeout_seconds) == ("a/payload", 10)
