"""Whatever process is cut off between any two commits, no run is lost and none comes twice: against a simple model."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from zoneinfo import ZoneInfo

import pytest
import trio
import trio.testing
from attrs import frozen
from hypothesis import given, settings, strategies as st

from tests.fakes.jobs import Agent, asked, direct, open_office
from tests.fakes.path_storage import EPOCH, InlineEngine, InlinePath, memory_disk, stored_now
from xopc.contracts.cron import Job, JobRun, RunStatus, Schedule, ScheduleKind
from xopc.contracts.messages import OutboxState
from xopc.contracts.settings.cron import CronSettings
from xopc.contracts.transcript import Role
from xopc.core.cron.schedule import following, next_run
from xopc.storage.path.outbox import OutboxQuery

UTC = ZoneInfo("UTC")
ROOMY = CronSettings(max_concurrent_jobs=64)
LAST_SECONDS = 120.0
"""Of the last life, which nothing cuts off."""
EVERYTHING = 100_000


class Crash(BaseException):
    """The process is gone, and its last commit is not."""


@frozen
class Life:
    """One process: after so many commits it is cut off, and then nothing runs for a while."""

    commits: int
    rest_seconds: float


@frozen
class Story:
    """What is left in the end."""

    job: Job
    runs: list[JobRun]
    next_run_at: float | None
    ups: list[tuple[float, float]]
    """When there was a process."""
    sent: Counter[str]
    asked: int
    """How many messages of users there are in the job's session."""


SCHEDULES = st.one_of(
    st.integers(3, 40).map(lambda seconds: Schedule(ScheduleKind.EVERY, every_ms=seconds * 1000)),
    st.integers(2, 20).map(lambda step: Schedule(ScheduleKind.CRON, expr=f"*/{step} * * * * *")),
    st.integers(1, 60).map(lambda seconds: Schedule(ScheduleKind.AT, at=EPOCH + seconds)),
)
LIVES = st.lists(st.builds(Life, st.integers(1, 9), st.floats(0, 90)), max_size=8)
TEXTS = st.sampled_from(["text", "ask", "fail"])


async def live(disk: InlineEngine, agent: Agent, life: Life | None) -> None:
    """A process, until it is cut off; without a `life`, for a while."""
    count = 0

    async def cut_off(_: str) -> None:
        nonlocal count
        count += 1
        if life is not None and count == life.commits:
            raise Crash

    disk.after_commit = cut_off
    try:
        with trio.move_on_after(LAST_SECONDS):
            async with open_office(InlinePath(disk), agent, ROOMY):
                await trio.sleep_forever()
    except* Crash:
        pass


async def tell(kinds: list[tuple[str, Schedule]], lives: list[Life]) -> list[Story]:
    """Live all lives, one after the other."""
    with closing(memory_disk()) as disk:
        storage = InlinePath(disk)
        jobs = [_job(number, *kind) for number, kind in enumerate(kinds)]
        for job in jobs:
            await storage.add_job(job, next_run(job.schedule, UTC, stored_now()))
        ups: list[tuple[float, float]] = []
        for life in [*lives, None]:
            begun = stored_now()
            await live(disk, Agent(seconds=2), life)
            ups.append((begun, stored_now()))
            await trio.sleep(life.rest_seconds if life else 0)
        return [await _story(storage, job, ups) for job in jobs]


def _job(number: int, text: str, schedule: Schedule) -> Job:
    job_id, said = f"{number:08}", f"{text} {number}"
    if text == "text":
        return direct(said, schedule, id=job_id)
    return asked(said, schedule, id=job_id, max_retries=1)


async def _story(storage: InlinePath, job: Job, ups: list[tuple[float, float]]) -> Story:
    page = await storage.outbox(OutboxQuery((OutboxState.PENDING,), EVERYTHING))
    said = await storage.messages(f"cron:{job.id}", EVERYTHING)
    stored = await storage.job(job.id)
    assert stored is not None
    return Story(
        job=stored.job,
        runs=(await storage.job_runs(job.id, EVERYTHING))[::-1],
        next_run_at=stored.state.next_run_at,
        ups=ups,
        sent=Counter(row.outbound.text for row in page.rows),
        asked=sum(entry.message.role is Role.USER for entry in said),
    )


def check(story: Story) -> None:
    """The story is one that the rules allow."""
    job, runs = story.job, story.runs
    times = [run.scheduled_at for run in runs if run.scheduled_at is not None]
    assert len(times) == len(runs)
    assert times == sorted(set(times)), "each time once, in their order"
    due = next_run(job.schedule, UTC, EPOCH)
    for run in runs:
        assert run.scheduled_at == due, "no time is left out but those that had passed when the one before began"
        assert run.scheduled_at is not None
        assert due is not None
        assert run.started_at >= due
        is_late = run.started_at - due >= 1
        assert not is_late or all(due < begun or due >= ended for begun, ended in story.ups), "who is there is in time"
        due = following(job.schedule, UTC, run.scheduled_at, run.started_at)
    assert story.next_run_at == due
    assert due is None or due > story.ups[-1][1] - 1, "what is due has begun"
    _check_effects(story)


def _check_effects(story: Story) -> None:
    text = story.job.payload.text
    ways = Counter(run.status for run in story.runs)
    old = story.ups[-1][1] - LAST_SECONDS / 2
    assert all(run.started_at > old for run in story.runs if run.status is RunStatus.RUNNING), "all come to an end"
    assert ways[RunStatus.CANCELLED] == 0
    assert story.sent[f"{text}!" if story.asked else text] == ways[RunStatus.SUCCESS], "sent once for each run"
    if text.startswith("text"):
        assert set(ways) <= {RunStatus.SUCCESS}
    else:
        begun = [run for run in story.runs if run.status is not RunStatus.SKIPPED]
        waiting = sum(run.retry_at is not None for run in begun)
        assert story.asked == sum(1 + run.retries for run in begun) - waiting, "asked once for each attempt"
    if text.startswith("ask"):
        assert ways[RunStatus.FAILED] == 0
    if text.startswith("fail"):
        assert ways[RunStatus.SUCCESS] == 0
        assert all(run.retries == 1 for run in story.runs if run.status is RunStatus.FAILED)


@pytest.mark.timeout(240)  # it does nothing but compute, at a tenth of the pace where ten others do so
@settings(max_examples=40, deadline=None)
@given(kinds=st.lists(st.tuples(TEXTS, SCHEDULES), min_size=1, max_size=3), lives=LIVES)
def test_no_run_is_lost_and_none_comes_twice_however_often_the_process_is_cut_off(
    kinds: list[tuple[str, Schedule]], lives: list[Life]
) -> None:
    """Some 10 s: forty stories of up to nine lives."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    for story in trio.run(tell, kinds, lives, clock=clock):
        check(story)
