"""Jobs are run when they are due, in time that does not pass."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.fakes.jobs import EVERY_MINUTE, Agent, asked, direct, open_office
from tests.fakes.path_storage import EPOCH, InlineEngine, InlinePath, stored_now
from xopc.contracts.cron import DeliveryMode, JobDelivery, Schedule, ScheduleKind, SessionTarget
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.settings.cron import CronSettings
from xopc.contracts.transcript import Role
from xopc.core.cron.schedule import ScheduleError

HOURLY = Schedule(ScheduleKind.CRON, expr="0 * * * *")


def once(seconds: float) -> Schedule:
    return Schedule(ScheduleKind.AT, at=stored_now() + seconds)


async def test_a_text_is_sent_each_time_that_it_is_due(storage: InlinePath, autojump_clock: MockClock) -> None:
    async with open_office(storage) as office:
        await office.scheduler.add(direct("tick"))
        await trio.sleep(185)
        assert await office.sent() == ["tick"] * 3
        runs = await office.history("d1ec7001")
        assert [run.scheduled_at for run in runs] == [EPOCH + 60, EPOCH + 120, EPOCH + 180]
        assert {run.status.value for run in runs} == {"success"}
        assert office.agent.asked == []
        assert (await office.wakes(), len(office.woken)) == (["cron:d1ec7001"], 3)


async def test_the_agent_is_asked_in_the_jobs_own_session_and_its_answer_is_sent(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    async with open_office(storage) as office:
        await office.scheduler.add(asked("What is new?", once(5)))
        await trio.sleep(5.5)
        state = (await office.job("a5ced001")).state
        assert state.running_since is not None
        await trio.sleep(2)
        assert await office.sent() == ["What is new?!"]
        (run,) = await office.history("a5ced001")
        assert (run.status.value, run.summary, run.model) == ("success", "What is new?!", "fake/model")
        assert run.session_key == "cron:a5ced001"
        said = await office.storage.messages("cron:a5ced001", 10)
        assert [(entry.message.role, entry.message.content) for entry in said] == [
            (Role.USER, "What is new?"),
            (Role.ASSISTANT, "What is new?!"),
        ]


async def test_a_job_of_the_main_session_is_answered_in_that_of_its_chat(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    async with open_office(storage) as office:
        await office.scheduler.add(asked("Hello", once(1), session_target=SessionTarget.MAIN))
        await trio.sleep(3)
        (run,) = await office.history("a5ced001")
        assert run.session_key == "main:main:default:dm:main"
        assert await office.sent() == ["Hello!"]


@pytest.mark.parametrize(
    ("text", "delivery"),
    [("quiet", JobDelivery(channel="telegram", to="7")), ("Hello", JobDelivery(DeliveryMode.NONE)), ("Hello", None)],
)
async def test_an_answer_that_is_silent_or_has_no_chat_is_not_sent(
    storage: InlinePath, autojump_clock: MockClock, text: str, delivery: JobDelivery | None
) -> None:
    async with open_office(storage) as office:
        await office.scheduler.add(asked(text, once(1), delivery=delivery))
        await trio.sleep(3)
        assert await office.ways("a5ced001") == ["success"]
        assert await office.sent() == []


async def test_a_job_that_is_due_once_is_disabled_when_it_went_well_and_kept(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    async with open_office(storage) as office:
        await office.scheduler.add(direct(schedule=once(10)))
        assert (await office.job("d1ec7001")).state.next_run_at == EPOCH + 10
        await trio.sleep(11)
        stored = await office.job("d1ec7001")
        assert (stored.job.enabled, stored.state.next_run_at) == (False, None)
        await trio.sleep(3600)
        assert await office.sent() == ["Hello"]


async def test_a_failed_run_is_tried_again_after_30_seconds_1_5_15_and_60_minutes(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    async with open_office(storage) as office:
        await office.scheduler.add(asked("fail", once(1), max_retries=6))
        await trio.sleep(3 * 3600)
        pauses = [round((late - early) / 10) * 10 for early, late in pairwise(office.agent.at)]
        assert pauses == [30, 60, 300, 900, 3600, 3600]
        (run,) = await office.history("a5ced001")
        assert (run.status.value, run.retries, run.error) == ("failed", 6, "The model is gone.")
        assert len(office.agent.asked) == 7
        state = (await office.job("a5ced001")).state
        assert (state.consecutive_errors, state.last_error) == (1, "The model is gone.")


async def test_a_retry_that_goes_well_ends_the_run_well(storage: InlinePath, autojump_clock: MockClock) -> None:
    async with open_office(storage, Agent(fails=2)) as office:
        await office.scheduler.add(asked("fail", once(1)))
        await trio.sleep(200)
        (run,) = await office.history("a5ced001")
        assert (run.status.value, run.retries) == ("success", 2)
        assert await office.sent() == ["fail!"]
        assert (await office.job("a5ced001")).state.consecutive_errors == 0


async def test_the_first_failure_in_a_row_is_told_in_the_chat(storage: InlinePath, autojump_clock: MockClock) -> None:
    async with open_office(storage) as office:
        await office.scheduler.add(asked("fail", name="News", max_retries=0))
        await trio.sleep(200)
        assert await office.ways("a5ced001") == ["failed"] * 3
        assert await office.sent() == ["Sorry, the scheduled job News failed. The model is gone."]
        assert (await office.wakes(), office.woken) == ([], [])


async def test_a_failure_of_best_effort_is_not_told(storage: InlinePath, autojump_clock: MockClock) -> None:
    async with open_office(storage) as office:
        delivery = JobDelivery(channel="telegram", to="7", best_effort=True)
        await office.scheduler.add(asked("fail", once(1), max_retries=0, delivery=delivery))
        await trio.sleep(5)
        assert await office.ways("a5ced001") == ["failed"]
        assert await office.sent() == []


async def test_an_agent_that_takes_too_long_is_stopped(storage: InlinePath, autojump_clock: MockClock) -> None:
    async with open_office(storage, Agent(seconds=1000)) as office:
        await office.scheduler.add(asked(schedule=once(1), timeout_ms=10_000, max_retries=0))
        await trio.sleep(10.5)
        assert await office.ways("a5ced001") == ["running"]
        await trio.sleep(1)
        (run,) = await office.history("a5ced001")
        assert (run.status.value, run.error) == ("failed", "The agent did not come to an end within 10 seconds.")


async def test_a_run_that_somebody_stops_is_cancelled_and_not_tried_again(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    async with open_office(storage, Agent(seconds=30)) as office:
        await office.scheduler.add(asked(schedule=once(1)))
        await trio.sleep(5)
        (run,) = await office.history("a5ced001")
        assert run.turn_id is not None
        assert office.sessions.abort(run.turn_id)
        await trio.sleep(500)
        assert await office.ways("a5ced001") == ["cancelled"]
        assert len(office.agent.asked) == 1


async def test_runs_of_one_job_never_overlap_and_those_that_would_are_skipped(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    async with open_office(storage, Agent(seconds=150)) as office:
        await office.scheduler.add(asked(timeout_ms=300_000))
        await trio.sleep(220)
        assert await office.ways("a5ced001") == ["success", "skipped", "skipped"]
        (_, skipped, _) = await office.history("a5ced001")
        assert skipped.error == "It was not run: the run before it had not ended."
        assert office.agent.most == 1


async def test_so_many_jobs_have_an_agent_at_work_at_once_as_the_configuration_allows(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    async with open_office(storage, Agent(seconds=10), CronSettings(max_concurrent_jobs=2)) as office:
        for number in range(5):
            await office.scheduler.add(asked(schedule=once(1), id=f"a{number:07}"))
        await office.scheduler.add(direct(schedule=once(1)))
        await trio.sleep(2)
        assert await office.sent() == ["Hello"], "what only sends a text does not wait"
        await trio.sleep(40)
        assert office.agent.most == 2
        assert len(await office.sent()) == 6


async def test_a_job_can_be_run_by_hand_though_it_is_disabled_and_keeps_its_time(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    async with open_office(storage, Agent(seconds=5), CronSettings(enabled=False)) as office:
        await office.scheduler.add(asked(enabled=False))
        assert await office.scheduler.trigger("a5ced001")
        with pytest.raises(XopcError) as refused:
            await office.scheduler.trigger("a5ced001")
        assert refused.value.failure is Failure.CONFLICT
        await trio.sleep(10)
        (run,) = await office.history("a5ced001")
        assert (run.status.value, run.scheduled_at) == ("success", None)
        assert (await office.job("a5ced001")).state.next_run_at is None
        assert await office.scheduler.trigger("a5ced001")
        assert await office.scheduler.trigger("nothing") is None


async def test_while_it_is_off_nothing_is_run_and_afterwards_what_was_due_within_the_hour(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    async with open_office(storage, settings=CronSettings(enabled=False)) as office:
        await office.scheduler.add(direct())
        await office.scheduler.add(direct(id="d1ec7002", schedule=once(1)))
        await trio.sleep(2 * 3600)
        assert await office.sent() == []
        office.scheduler.use(CronSettings())
        await trio.sleep(1)
        assert await office.sent() == ["Hello"]
        assert await office.ways("d1ec7001") == ["success"]
        (missed,) = await office.history("d1ec7002")
        assert (missed.status.value, missed.scheduled_at) == ("skipped", EPOCH + 1)
        assert missed.error is not None
        assert missed.error.startswith("It was not run: the gateway did not serve")


async def test_what_was_due_while_nothing_ran_is_run_once_if_it_is_not_an_hour_ago(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    async with open_office(InlinePath(disk)) as office:
        await office.scheduler.add(direct())
        await office.scheduler.add(direct("long ago", once(90), id="d1ec7002"))
        await office.scheduler.add(direct("just now", once(3600), id="d1ec7003"))
    await trio.sleep(3700)
    async with open_office(InlinePath(disk)) as office:
        await trio.sleep(1)
        assert sorted(await office.sent()) == ["Hello", "just now"]
        assert await office.ways("d1ec7002") == ["skipped"]
        await trio.sleep(59)
        assert len(await office.sent()) == 3


async def test_a_clock_that_is_set_forward_makes_no_storm_and_one_that_is_set_back_no_double(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    skew = 0.0
    async with open_office(storage, clock=lambda: stored_now() + skew) as office:
        await office.scheduler.add(direct(schedule=EVERY_MINUTE))
        await office.scheduler.add(direct("hour", HOURLY, id="d1ec7002"))
        await trio.sleep(3630)
        count = len(await office.sent())
        assert (await office.sent()).count("hour") == 1
        skew = 10 * 3600.0
        await trio.sleep(31)
        assert len(await office.sent()) <= count + 3, "each once for all that was leapt over, and a minute"
        skew = 0.0
        await trio.sleep(125)
        assert len(await office.sent()) <= count + 6, "and it goes on at its pace"
        hours = [run.scheduled_at for run in await office.history("d1ec7002")]
        assert len(hours) == len(set(hours))
        stored = await office.job("d1ec7002")
        assert stored.state.next_run_at is not None
        assert stored.state.next_run_at - stored_now() <= 3600, "and nothing waits until the clock is there again"


async def test_another_default_time_zone_moves_the_jobs_that_name_none(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    nine = Schedule(ScheduleKind.CRON, expr="0 9 * * *")
    async with open_office(storage) as office:
        await office.scheduler.add(direct(schedule=nine))
        await office.scheduler.add(direct(schedule=nine, id="d1ec7002", timezone="UTC"))
        before = (await office.job("d1ec7001")).state.next_run_at
        office.scheduler.use(CronSettings(default_timezone="Asia/Tokyo"))
        await trio.sleep(0.1)
        moved = (await office.job("d1ec7001")).state.next_run_at
        assert before is not None
        assert moved is not None
        assert (before - moved) % (24 * 3600) == 9 * 3600
        assert (await office.job("d1ec7002")).state.next_run_at == before


async def test_a_change_plans_the_job_anew_only_where_its_time_changes(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    async with open_office(storage) as office:
        await office.scheduler.add(direct())
        await trio.sleep(30)
        renamed = await office.scheduler.change("d1ec7001", lambda job: evolve(job, name="Tick"))
        assert renamed is not None
        assert (renamed.job.name, renamed.state.next_run_at) == ("Tick", EPOCH + 60)
        slower = await office.scheduler.change(
            "d1ec7001", lambda job: evolve(job, schedule=Schedule(ScheduleKind.EVERY, every_ms=90_000))
        )
        assert slower is not None
        assert slower.state.next_run_at == EPOCH + 120
        off = await office.scheduler.change("d1ec7001", lambda job: evolve(job, enabled=False))
        assert off is not None
        assert off.state.next_run_at is None
        assert await office.scheduler.change("nothing", lambda job: job) is None


async def test_a_removed_job_is_stopped_and_forgotten(storage: InlinePath, autojump_clock: MockClock) -> None:
    async with open_office(storage, Agent(seconds=1000)) as office:
        await office.scheduler.add(asked(schedule=once(1), timeout_ms=300_000))
        await trio.sleep(2)
        assert await office.scheduler.remove("a5ced001")
        await trio.sleep(1)
        assert not office.sessions.is_busy("cron:a5ced001")
        assert await office.history("a5ced001") == []
        assert not await office.scheduler.remove("a5ced001")
        assert await office.sent() == []


async def test_a_schedule_that_is_not_understood_any_more_disables_its_job_and_no_other(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    await storage.add_job(direct(timezone="Mars/Olympus", schedule=HOURLY), EPOCH + 5)
    await storage.add_job(direct(timezone="Mars/Olympus", schedule=HOURLY, id="d1ec7003"), EPOCH + 10**6)
    async with open_office(storage) as office:
        await office.scheduler.add(direct(id="d1ec7002"))
        await trio.sleep(61)
        for job_id in ("d1ec7001", "d1ec7003"):
            stored = await office.job(job_id)
            assert not stored.job.enabled
            assert stored.state.schedule_error == "there is no time zone Mars/Olympus on this machine"
        assert await office.sent() == ["Hello"]
        with pytest.raises(ScheduleError):
            await office.scheduler.change("d1ec7001", lambda job: evolve(job, enabled=True))


async def test_a_drained_scheduler_begins_nothing_and_the_next_one_does(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    async with open_office(InlinePath(disk)) as office:
        await office.scheduler.add(direct())
        office.scheduler.drain()
        await trio.sleep(130)
        assert await office.sent() == []
    async with open_office(InlinePath(disk)) as office:
        await trio.sleep(1)
        assert await office.sent() == ["Hello"]


async def test_a_full_disk_delays_runs_and_loses_none(storage: InlinePath, autojump_clock: MockClock) -> None:
    async with open_office(storage) as office:
        await office.scheduler.add(direct(schedule=once(10)))
        await office.scheduler.add(asked(schedule=once(10)))
        await trio.sleep(10.5)  # the agent is at work
        storage.disk.full = True
        await trio.sleep(100)
        storage.disk.full = False
        await trio.sleep(60)
        assert sorted(await office.sent()) == ["Hello", "Hello!"]
        assert await office.ways("a5ced001") == ["success"]


async def test_everybody_hears_how_runs_stand(storage: InlinePath, autojump_clock: MockClock) -> None:
    async with open_office(storage) as office, office.hub.subscribe(types=("cron.run",)) as events:
        await office.scheduler.add(asked(schedule=once(1)))
        heard: list[object] = []
        with trio.fail_after(10):
            while len(heard) < 2:
                heard += [event.data for event in await events.receive()]
        assert heard == [{"jobId": "a5ced001", "status": way} for way in ("running", "success")]


async def test_old_runs_are_forgotten(storage: InlinePath, autojump_clock: MockClock) -> None:
    async with open_office(storage, settings=CronSettings(history_retention_days=1)) as office:
        await office.scheduler.add(direct(schedule=once(10)))
        await trio.sleep(20 * 3600)
        assert await office.ways("d1ec7001") == ["success"]
        await trio.sleep(6 * 3600)
        assert await office.ways("d1ec7001") == []


async def test_a_clock_that_is_set_wrongly_for_a_while_makes_no_run_old(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    skew = 0.0
    async with open_office(storage, clock=lambda: stored_now() + skew) as office:
        await office.scheduler.add(direct(schedule=once(10)))
        await trio.sleep(3500)
        skew = 40 * 24 * 3600.0
        await trio.sleep(200)
        skew = 0.0
        await trio.sleep(2 * 3600)
        assert await office.ways("d1ec7001") == ["success"]
