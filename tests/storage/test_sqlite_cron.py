from __future__ import annotations

from pathlib import Path

from attrs import evolve

from tests.storage.transactions.test_cron import JOB
from tests.storage.values import CHAT, acceptance
from xopc.contracts.cron import JobRun, RunStatus
from xopc.contracts.messages import Outbound
from xopc.storage.path.cron import JobClaim, JobRunEnd
from xopc.storage.sqlite import open_storage
from xopc.storage.sqlite_cron import PAGE_JOBS


async def test_a_job_runs_and_is_forgotten(path: Path) -> None:
    async with open_storage(path, clock=lambda: 10.0) as storage:
        await storage.add_job(JOB, 5.0)
        (due,) = await storage.due_jobs(6.0)
        assert await storage.next_job_at(4.0) == 5.0
        run = JobRun("r-1", JOB.id, RunStatus.RUNNING, 6.0, 5.0)
        claim = JobClaim(run, "key", acceptance("turn"), None, due.revision, 5.0, 15.0)
        assert await storage.claim_run(claim)
        assert await storage.claim_run(claim) is None
        assert await storage.put_off("r-1", 7.0, "no")
        assert await storage.resume_run("r-1", acceptance("turn 2"))
        assert len(await storage.open_runs()) == 1
        ended = await storage.settle_run(JobRunEnd("r-1", RunStatus.SUCCESS, outbound=Outbound(CHAT, "Hi")))
        assert ended is not None
        assert ended.ended_at == 10.0
        assert [run.id for run in await storage.job_runs(JOB.id, 5)] == ["r-1"]
        assert (await storage.cron_totals()).successes == 1
        assert await storage.change_job(evolve(JOB, name="x"), 20.0, 1)
        await storage.plan_job(JOB.id, 2, 21.0)
        await storage.prune_runs(11.0)
        assert await storage.job_runs(None, 5) == []
        await storage.give_up_schedule(JOB.id, 2, "no")
    async with open_storage(path) as storage:
        (stored,) = await storage.jobs()
        assert (stored.job.name, stored.state.schedule_error) == ("x", "no")
        assert await storage.delete_job(JOB.id)
        assert await storage.job(JOB.id) is None


async def test_all_jobs_are_read_however_many_there_are(path: Path) -> None:
    async with open_storage(path) as storage:
        ids = [f"{number:08}" for number in range(2 * PAGE_JOBS + 1)]
        for job_id in ids:
            await storage.add_job(evolve(JOB, id=job_id), 5.0)
        assert [stored.job.id for stored in await storage.jobs()] == ids
        assert [stored.job.id for stored in await storage.due_jobs(6.0)] == ids
