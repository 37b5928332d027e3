"""Runs of jobs that have begun: each is seen to its end by a task, attempt after attempt.

What a run is made of is stored: its agent's run in the inbox, and when it is tried again. So a task may be cancelled
at any moment, and the next generation or process goes on from what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias
from uuid import uuid4

import structlog
import trio
from structlog.typing import FilteringBoundLogger

from xopc.contracts.cron import Job, JobRun, RunStatus
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.messages import Address, Outbound
from xopc.contracts.transcript import RunResult, RunState
from xopc.core.cron.placing import Place
from xopc.core.cron.policy import BACKOFF_SECONDS, Outcome, outcome_of, retry_at
from xopc.core.hub import Hub
from xopc.core.leaps import WallClock
from xopc.core.outbox.retry import STORAGE_MOST_SECONDS, delay_seconds
from xopc.core.sessions.runs import Runs
from xopc.core.sessions.sessions import Sessions
from xopc.storage.base import StorageError
from xopc.storage.path.base import Acceptance
from xopc.storage.path.cron import CronStorage, JobRunEnd
from xopc.storage.path.outbox import lane_of

Placed: TypeAlias = Callable[[Job, str], Place]
"""Where an attempt of a job goes, whose message has this dedupe key."""
Wake: TypeAlias = Callable[[], None]
"""Something was stored that the agent may want to look at."""

_log: FilteringBoundLogger = structlog.get_logger("xopc.cron")


class Attempts:
    """The runs of one generation that have begun."""

    def __init__(  # noqa: PLR0917  what an attempt passes through, in its order
        self,
        storage: CronStorage,
        placed: Placed,
        sessions: Sessions,
        runs: Runs,
        outbox_wake: Callable[[Sequence[str]], None],
        hub: Hub,
        wake: Wake,
        clock: WallClock,
        most: int,
    ) -> None:
        """`most` attempts are made at once."""
        self.most = most
        self.freed = trio.lowlevel.ParkingLot()
        """Unparked whenever there may be room for another attempt."""
        self._storage = storage
        self._placed = placed
        self._sessions = sessions
        self._runs = runs
        self._outbox_wake = outbox_wake
        self._hub = hub
        self._wake = wake
        self._clock = clock
        self._nursery: trio.Nursery | None = None
        self._busy: set[str] = set()
        """The runs whose attempt is under way."""
        self._turns: dict[str, str] = {}
        """By job: the agent's run that is under way."""

    def begin(self, nursery: trio.Nursery, begun: Sequence[JobRun]) -> None:
        """Go on with what has begun, and see to what begins, with tasks in `nursery`."""
        self._nursery = nursery
        for run in begun:
            self.see_through(run)

    def end(self) -> None:
        """There are no tasks any more: what begins from now on is left to whoever runs next."""
        self._nursery = None

    @property
    def has_room(self) -> bool:
        """Whether another attempt may begin."""
        return len(self._busy) < self.most

    def reserve(self, run_id: str) -> None:
        """An attempt of this run is about to begin."""
        self._busy.add(run_id)

    def release(self, run_id: str) -> None:
        """No attempt of this run is under way."""
        self._busy.discard(run_id)
        self.freed.unpark_all()

    def admit(self, run: JobRun) -> None:
        """The message of an attempt was stored: its session goes to work."""
        if run.turn_id is not None and run.session_key is not None:
            self._sessions.admit(run.session_key, run.turn_id)

    def see_through(self, run: JobRun) -> None:
        """See a run that has begun to its end. Before the tasks begin, nothing: `begin` is given what was stored."""
        if run.turn_id is not None:
            self._busy.add(run.id)
        if self._nursery is not None and not self._sessions.is_draining:
            self._nursery.start_soon(self._see_through, run, name=f"job {run.job_id}")

    def stop(self, job_id: str) -> None:
        """Stop the agent that works for a job."""
        if turn_id := self._turns.get(job_id):
            self._sessions.abort(turn_id)

    def tell(self, run: JobRun) -> None:
        """Tell everybody how a run stands."""
        self._hub.publish("cron.run", {"jobId": run.job_id, "status": run.status.value})
        if run.status is RunStatus.SUCCESS:
            self._wake()

    def send_to(self, address: Address) -> None:
        """A message to this address was stored."""
        self._outbox_wake([lane_of(address.channel, address.account, address.chat)])

    # ------------------------------------------------------------- one by one

    async def _see_through(self, run: JobRun) -> None:
        failures = 0
        following: JobRun | None = run
        try:
            while following is not None and not self._sessions.is_draining:
                try:
                    following = await self._next_step(following)
                    failures = 0
                except Exception as error:  # whatever it is, the run is stored as it stands, and can be tried again
                    failures += 1
                    exc_info = None if isinstance(error, StorageError) else error
                    _log.error("A job cannot go on.", job=run.job_id, error=str(error), exc_info=exc_info)
                    await trio.sleep(delay_seconds(failures, 0, STORAGE_MOST_SECONDS))
        finally:
            self.release(run.id)

    async def _next_step(self, run: JobRun) -> JobRun | None:
        """Wait for an attempt and store what comes of it, or begin the next one; None where nothing follows."""
        stored = await self._storage.job(run.job_id)
        if stored is None:
            return None
        if run.turn_id is None:
            return await self._try_again(run)
        outcome = await self._attempt(stored.job, run, run.turn_id)
        if outcome is None:
            return None  # this generation ends
        self.release(run.id)
        again_at = retry_at(stored.job, run, self._clock.now()) if outcome.status is RunStatus.FAILED else None
        if again_at is not None:
            _log.warn("A job has failed, and is tried again.", job=run.job_id, error=outcome.error)
            return await self._storage.put_off(run.id, again_at, outcome.error or "")
        await self._settle(stored.job, run, outcome, is_first_failure=not stored.state.consecutive_errors)
        return None

    async def _try_again(self, run: JobRun) -> JobRun | None:
        # The clock on the wall may be set back meanwhile, but no pause is longer than the longest.
        pause = min((run.retry_at or 0.0) - self._clock.now(), BACKOFF_SECONDS[-1])
        await trio.sleep(max(pause, 0.0))
        while not self.has_room:
            await self.freed.park()
        stored = await self._storage.job(run.job_id)
        if stored is None or self._sessions.is_draining:
            return None
        self.reserve(run.id)
        place = self._placed(stored.job, key_of(run))
        resumed = await self._storage.resume_run(run.id, acceptance_of(stored.job, place))
        if resumed is not None:
            self.admit(resumed)
        return resumed

    async def _attempt(self, job: Job, run: JobRun, turn_id: str) -> Outcome | None:
        """How the agent's run ended; None where this generation ends before it."""
        late = trio.Event()
        self._turns[run.job_id] = turn_id
        try:
            if await self._is_under_way(turn_id):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._stop_late, turn_id, job.timeout_seconds, late)
                    result = await self._result(turn_id)
                    nursery.cancel_scope.cancel()
            else:
                result = await self._result(turn_id)
        finally:
            del self._turns[run.job_id]
        if result is not None and result.state is RunState.RUNNING:
            return None
        return outcome_of(result, job, is_late=late.is_set())

    async def _is_under_way(self, turn_id: str) -> bool:
        try:
            return (await self._sessions.attach(turn_id)).state is RunState.RUNNING
        except XopcError:
            return False

    async def _result(self, turn_id: str) -> RunResult | None:
        """How the agent's run ended; running where this generation ends before it, None where it was deleted."""
        try:
            return await self._sessions.wait(turn_id)
        except XopcError as error:
            if error.failure is Failure.NOT_FOUND:
                return None
            return RunResult(turn_id, "", RunState.RUNNING, "")

    async def _stop_late(self, turn_id: str, seconds: float, late: trio.Event) -> None:
        """Stop the agent when it has worked for so long; its place in the session's queue does not count."""
        try:
            async with self._runs.follow(turn_id) as events:
                await events.receive()
        except XopcError:
            return
        await trio.sleep(seconds)
        if self._sessions.abort(turn_id):
            late.set()

    async def _settle(self, job: Job, run: JobRun, outcome: Outcome, *, is_first_failure: bool) -> None:
        address = self._placed(job, key_of(run)).answer_to
        text = outcome.announced if outcome.status is RunStatus.SUCCESS else None
        if outcome.status is RunStatus.FAILED and is_first_failure and job.delivery and not job.delivery.best_effort:
            text = f"Sorry, the scheduled job {job.name or job.id} failed. {outcome.error}"
        outbound = Outbound(address, text) if address and text else None
        end = JobRunEnd(run.id, outcome.status, outcome.error, outcome.summary, outcome.model, outbound)
        ended = await self._storage.settle_run(end)
        if ended is None:
            return
        if outcome.status is RunStatus.FAILED:
            _log.error("A job has failed.", job=job.id, error=outcome.error, retries=run.retries)
        if address is not None and outbound is not None:
            self.send_to(address)
        self.tell(ended)


def key_of(run: JobRun) -> str:
    """Names the attempt that a run is at: the same for each try to begin it, and no other's."""
    moment = f"run:{run.id}" if run.scheduled_at is None else str(round(run.scheduled_at * 1000))
    retry = f":retry:{run.retries}" if run.retries else ""
    return f"cron:{run.job_id}:{moment}{retry}"


def acceptance_of(job: Job, place: Place) -> Acceptance:
    """The message that an attempt consists of. Its answer is delivered with the end of the job's run."""
    return Acceptance(place.inbound, place.session_key, str(uuid4()), deliver=False, model=job.chosen_model)
