from __future__ import annotations

import trio
from attrs import evolve
from trio.testing import MockClock

from tests.fakes.jobs import Agent, asked, open_office
from tests.fakes.path_storage import EPOCH, InlineEngine, InlinePath
from tests.storage.values import acceptance, said
from xopc.contracts.cron import Job, JobRun, Payload, PayloadKind, RunStatus, Schedule, ScheduleKind
from xopc.contracts.settings.cron import CronSettings
from xopc.contracts.transcript import RunState
from xopc.core.cron.attempts import acceptance_of, key_of
from xopc.core.cron.placing import Place
from xopc.storage.path.base import TurnEnd
from xopc.storage.path.cron import JobClaim

RUN = JobRun("r-1", "a5ced001", RunStatus.RUNNING, 2.0, 1.5)
NEVER = Schedule(ScheduleKind.AT, at=EPOCH + 10**6)
JOB = Job("a5ced001", NEVER, Payload(PayloadKind.AGENT_TURN, "Hello"), 0, 0, model="a/b")


def test_each_attempt_has_a_key_of_its_own_that_follows_from_what_it_is_for() -> None:
    assert key_of(RUN) == "cron:a5ced001:1500"
    assert key_of(evolve(RUN, id="r-2", started_at=3.0)) == key_of(RUN), "whoever begins it"
    assert key_of(evolve(RUN, retries=2)) == "cron:a5ced001:1500:retry:2"
    assert key_of(evolve(RUN, scheduled_at=None)) == "cron:a5ced001:run:r-1"


def test_the_answer_of_an_attempt_is_left_to_the_end_of_its_run() -> None:
    inbound = acceptance("turn").inbound
    made = acceptance_of(JOB, Place(inbound, "cron:a5ced001", inbound.address))
    assert (made.inbound, made.session_key, made.model) == (inbound, "cron:a5ced001", "a/b")
    assert not made.deliver
    assert not made.bound


async def test_a_retry_that_waits_is_made_by_the_next_process_at_its_time(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    async with open_office(InlinePath(disk)) as office:
        await office.scheduler.add(asked("fail", NEVER, max_retries=1))
        await office.scheduler.trigger("a5ced001")
        await trio.sleep(5)
    await trio.sleep(10)
    agent = Agent(fails=0)
    async with open_office(InlinePath(disk), agent) as office:
        await trio.sleep(10)
        assert agent.asked == []
        await trio.sleep(10)
        assert agent.asked == ["fail"]
        (run,) = await office.history("a5ced001")
        assert (run.status.value, run.retries) == ("success", 1)
        assert await office.sent() == ["fail!"]


async def test_a_run_that_ended_before_its_process_could_tell_is_told_by_the_next_one(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    storage = InlinePath(disk)
    await storage.add_job(asked(schedule=NEVER), None)
    item = acceptance("turn", "cron:a5ced001")
    claim = JobClaim(evolve(RUN, scheduled_at=None), "key", item)
    assert await storage.claim_run(claim)
    turn = await storage.claim("cron:a5ced001", "gone")
    assert turn is not None
    await storage.finish("turn", TurnEnd(RunState.DONE, said("Done.")))
    async with open_office(InlinePath(disk)) as office:
        await trio.sleep(1)
        assert office.agent.asked == []
        assert await office.ways("a5ced001") == ["success"]
        assert await office.sent() == ["Done."]
        assert (await office.wakes(), len(office.woken)) == (["cron:a5ced001"], 1)


async def test_a_run_whose_session_was_deleted_is_cancelled(storage: InlinePath, autojump_clock: MockClock) -> None:
    async with open_office(storage, Agent(seconds=100)) as office:
        await office.scheduler.add(asked(schedule=NEVER, timeout_ms=300_000))
        await office.scheduler.trigger("a5ced001")
        await trio.sleep(1)
        await office.sessions.abort_session("cron:a5ced001")
        await storage.delete_session("cron:a5ced001")
        await trio.sleep(1)
        assert await office.ways("a5ced001") == ["cancelled"]


async def test_retries_wait_for_room_as_all_do(storage: InlinePath, autojump_clock: MockClock) -> None:
    async with open_office(storage, Agent(seconds=50), CronSettings(max_concurrent_jobs=1)) as office:
        await office.scheduler.add(asked("fail", Schedule(ScheduleKind.AT, at=EPOCH + 1), max_retries=1))
        await trio.sleep(52)
        await office.scheduler.add(asked("long", Schedule(ScheduleKind.AT, at=EPOCH + 60), id="a5ced002"))
        await trio.sleep(100)
        assert office.agent.asked == ["fail", "long", "fail"]
        assert office.agent.most == 1
        await trio.sleep(100)
        assert await office.ways("a5ced001") == ["failed"]
