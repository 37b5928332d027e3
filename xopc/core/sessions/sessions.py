"""Sessions at work: the turns of one session run one after the other, those of different sessions side by side.

A session with something to do has a worker. It claims the oldest message without an end, has the agent run the turn,
and commits the end; then the next one. What a process or a generation leaves unfinished, the next one claims again;
what fails again and again is parked (`core/sessions/parking.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import structlog
import trio
from attrs import define, field
from structlog.typing import FilteringBoundLogger

from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.transcript import RunResult, RunState
from xopc.core.hub import Hub
from xopc.core.outbox.retry import STORAGE_MOST_SECONDS, delay_seconds
from xopc.core.sessions.parking import MAX_ATTEMPTS, is_last_attempt
from xopc.core.sessions.pending import Pending
from xopc.core.sessions.runs import Runs
from xopc.core.sessions.takeup import TakeUp
from xopc.core.sessions.turns import GOES_ON, RunTurn, Turns
from xopc.storage.base import StorageError
from xopc.storage.path.base import PathStorage, TurnEnd

MAX_TURNS = 64
"""At once; further sessions wait, the longest waiting first."""
IDLE_SECONDS = 60.0
"""How long the worker of a session waits for more before it ends."""
HELD_SECONDS = 0.5
"""How long it waits before it looks again whether another session has answered what its chat has said before. That is
rare: the configuration has moved the chat to another session while messages waited."""
READ_AT_ONCE = 200
"""Messages that an earlier process left: nobody waits for the event loop while a hundred thousand are read."""
RELEASE_SECONDS = 1.0
"""At the end of a generation: longer than any commit takes on a disk that works."""

NOT_BEGUN = "The gateway restarts, and had not begun with this message. Send it again."

_log: FilteringBoundLogger = structlog.get_logger("xopc.sessions")


class Sessions:
    """The workers of one generation."""

    def __init__(  # noqa: PLR0917  what a turn passes through, in its order
        self,
        storage: PathStorage,
        run_turn: RunTurn,
        runs: Runs,
        hub: Hub,
        outbox_wake: Callable[[Sequence[str]], None],
        boot_id: str,
    ) -> None:
        """`outbox_wake` takes the lanes that got new messages."""
        self._storage = storage
        self._runs = runs
        self._boot_id = boot_id
        self._pending = Pending()
        self._turns = Turns(storage, run_turn, runs, hub, outbox_wake, self._pending)
        self._limiter = trio.CapacityLimiter(MAX_TURNS)
        self._last_attempts = trio.CapacityLimiter(1)
        self._nursery: trio.Nursery | None = None
        self._early: set[str] = set()
        self._takeup = TakeUp(self.wake)
        self._workers: dict[str, _Worker] = {}
        self._draining = trio.Event()

    @property
    def is_draining(self) -> bool:
        """Whether nothing new is begun."""
        return self._draining.is_set()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Take up what is unfinished, report started, and work until cancelled. Where the storage fails, the report
        does not wait for it.

        *Cancellation*: turns that run keep their steps, and are continued by whoever runs next; being cut off is no
        failure of theirs. Their followers, and those of runs that have not begun, are told so.
        """
        try:
            try:
                keys = await self._take_up()
            except StorageError as error:
                _log.error("The sessions cannot be read; none goes on until they can.", error=str(error))
                task_status.started()
                task_status = trio.TASK_STATUS_IGNORED
                keys = await self._recover()
            async with trio.open_nursery() as self._nursery:
                self._takeup.begin(keys)
                for key in self._early:
                    self.wake(key)
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._draining.set()
            for run_id, key in self._runs.open_runs().items():
                self._turns.interrupt(run_id, key)
            await self._release_claims()

    def admit(self, session_key: str, run_id: str, *, bound: bool = False) -> None:
        """A message was stored: its run can be followed from now on, and its session goes to work."""
        self._pending.add(session_key, run_id, bound=bound)
        if not self.is_draining:
            self._runs.open(run_id, session_key, is_new=True)
        self.wake(session_key)

    def wake(self, session_key: str) -> None:
        """There may be something to do in a session."""
        if self.is_draining:
            return
        if self._nursery is None:
            self._early.add(session_key)
        elif worker := self._workers.get(session_key):
            worker.woken.set()
        else:
            self._workers[session_key] = worker = _Worker(session_key)
            self._nursery.start_soon(self._work, worker, name=f"session {session_key}")

    def waiting(self, session_key: str) -> int:
        """How many messages of a session this generation has not begun with."""
        return self._pending.count(session_key)

    def is_busy(self, session_key: str) -> bool:
        """Whether a turn of the session runs, or waits for its place."""
        return session_key in self._turns.active or bool(self.waiting(session_key))

    async def attach(self, run_id: str) -> RunResult:
        """How a run stands. One that has not ended can be followed from now on, unless this generation ends.

        Raises:
            XopcError: NOT_FOUND: it was never accepted, or ended more than a day ago. UNAVAILABLE: the same, perhaps
                because this generation ends.
            StorageError: it could not be read.
        """
        result = await self._storage.result(run_id)
        if result is None and self.is_draining:  # the drain may just have forgotten it
            raise XopcError(Failure.UNAVAILABLE, NOT_BEGUN)
        if result is None:
            raise XopcError(Failure.NOT_FOUND, f"There is no run {run_id[:64]}, or it ended more than a day ago.")
        if result.state is RunState.RUNNING and not self.is_draining:
            self._runs.open(run_id, result.session_key)
        return result

    async def wait(self, run_id: str) -> RunResult:
        """How a run ended, when it has ended.

        Raises:
            XopcError: UNAVAILABLE: this generation ends before it. NOT_FOUND: see `attach`.
            StorageError: it could not be read.
        """
        result = None if self._runs.is_open(run_id) else await self.attach(run_id)
        if result is None or (result.state is RunState.RUNNING and not self.is_draining):
            result = await self._runs.wait(run_id)
            if result.state is RunState.INTERRUPTED:
                raise XopcError(Failure.UNAVAILABLE, result.error or NOT_BEGUN)
        if result.state is RunState.RUNNING:
            raise XopcError(Failure.UNAVAILABLE, GOES_ON)
        return result

    def abort(self, run_id: str) -> bool:
        """Stop a run; what there is of its answer is kept. False where there is nothing to stop.

        A turn stops at its next checkpoint; one that has not begun never does.
        """
        for active in self._turns.active.values():
            if active.turn.run_id == run_id:
                return active.stop()
        session_key = self._pending.session_of(run_id)
        if session_key is None or self._nursery is None or self.is_draining or self._pending.is_stopped(run_id):
            return False
        self._pending.stop(run_id)
        self._nursery.start_soon(self._end_waiting, session_key, run_id)
        return True

    async def abort_session(self, session_key: str) -> None:
        """Stop what runs and what waits in a session, and return when none of it runs or waits any more."""
        while self.is_busy(session_key) and not self.is_draining:
            if active := self._turns.active.get(session_key):
                active.stop()
            for run_id in self._pending.of(session_key):
                self.abort(run_id)
            await self._turns.ended.park()

    async def retry(self, run_id: str) -> bool:
        """Begin a parked message anew, behind what waits in its session. False where there is no such parked one."""
        session_key = await self._storage.retry_parked(run_id)
        if session_key is None:
            return False
        self._runs.begin_again(run_id, session_key)
        self.admit(session_key, run_id)
        if self.is_draining:
            self._turns.interrupt(run_id, session_key)
        return True

    async def withdraw(self, session_key: str, run_id: str) -> bool:
        """Forget a bound message that was not begun with; whoever waits is told to send it again. False where it is
        too late, or cannot be stored."""
        try:
            withdrawn = await self._storage.withdraw(run_id)
        except StorageError as error:
            _log.error("A message that nobody waits for could not be removed.", run=run_id, error=str(error))
            return False
        if withdrawn:
            self._pending.remove(session_key, run_id)
            self._runs.close(run_id, RunResult(run_id, session_key, RunState.INTERRUPTED, "", error=NOT_BEGUN))
        return withdrawn

    async def drain(self) -> None:
        """Begin no further turn, and return when none runs. Bounded by the caller, who then cancels `run`.

        Messages that are bound to requests and not begun with are forgotten; all others stay for the next generation.
        """
        self._draining.set()
        for worker in self._workers.values():
            worker.woken.set()
        async with trio.open_nursery() as nursery:
            for key, run_id in self._pending.bound():
                nursery.start_soon(self.withdraw, key, run_id)
        running = {active.turn.run_id for active in self._turns.active.values()}
        for run_id, key in self._runs.open_runs().items():
            if run_id not in running:
                self._turns.interrupt(run_id, key)
        self._turns.ended.unpark_all()
        while self._turns.active:
            await self._turns.ended.park()

    # --------------------------------------------------------------- workers

    async def _take_up(self) -> list[str]:
        """The sessions with work; what waits in them counts, and can be stopped, as what comes from now on."""
        keys = await self._storage.recover(self._boot_id)
        place = 0
        while page := await self._storage.unclaimed(place, READ_AT_ONCE):
            for waiting in page:
                self._pending.add(waiting.session_key, waiting.run_id, bound=waiting.bound)
            place = page[-1].place
        return keys

    async def _recover(self) -> list[str]:
        failures = 1
        while True:
            await trio.sleep(delay_seconds(failures, 0, STORAGE_MOST_SECONDS))
            try:
                return await self._take_up()
            except StorageError as error:
                failures += 1
                _log.error("The sessions cannot be read.", error=str(error))

    async def _work(self, worker: _Worker) -> None:
        """Run the turns of one session until there has been none for a while."""
        failures = 0
        while not self.is_draining:
            worker.woken = trio.Event()
            try:
                has_worked = await self._next_turn(worker)
                failures = 0
            except Exception as error:  # whatever it is, it must not keep the other sessions from working
                failures += 1
                if not isinstance(error, StorageError):  # which would strike the next session, too
                    self._takeup.rests(worker.key)
                fields = {} if isinstance(error, StorageError) else {"exc_info": error}
                await self._pause(failures, "A session cannot go on.", session=worker.key, error=str(error), **fields)
                continue
            if not has_worked:
                self._takeup.rests(worker.key)
                with trio.move_on_after(IDLE_SECONDS):
                    await worker.woken.wait()
                if not worker.woken.is_set():
                    break
        del self._workers[worker.key]

    async def _next_turn(self, worker: _Worker) -> bool:
        """Claim a turn, when its time has come, and run it to its end; False where there is none."""
        while (head := await self._storage.head(worker.key)) and head.is_held and not self.is_draining:
            with trio.move_on_after(HELD_SECONDS):
                await self._draining.wait()
        if head is None and not self.is_draining:
            await self._release(worker)
        if head is None:
            return False
        async with self._last_attempts if is_last_attempt(head) else nullcontext(), self._limiter:
            return await self._claim_and_run(worker)

    async def _claim_and_run(self, worker: _Worker) -> bool:
        if self.is_draining:
            return False
        self._pending.forget_ended(worker.key)
        turn = None
        try:
            turn = await self._storage.claim(worker.key, self._boot_id)
            if turn is not None and not self.is_draining:
                await self._turns.run(turn)
        except StorageError:
            raise
        except Exception as error:
            await self._count_failure(worker.key, turn and turn.run_id, error)
            raise
        if turn is None:
            await self._release(worker)
        return turn is not None

    async def _count_failure(self, session_key: str, run_id: str | None, error: Exception) -> None:
        """Count an attempt; after the last one, park what cannot even be claimed. What can is parked by its claim."""
        what = f"It failed inside ({type(error).__name__}); the log says more: xopc gateway logs."
        failed = await self._storage.fail_attempt(session_key, run_id, what)
        if failed is not None and run_id is None and failed.attempts >= MAX_ATTEMPTS:
            await self._turns.park(failed.run_id, session_key, what)

    async def _release_claims(self) -> None:
        """Whoever runs next finds nothing claimed. Where that cannot be stored, he takes it for a crash."""
        with trio.move_on_after(RELEASE_SECONDS, shield=True):
            try:
                await self._storage.release(self._boot_id)
            except (StorageError, trio.ClosedResourceError) as error:
                _log.error("What was being answered could not be released.", error=str(error))

    async def _pause(self, failures: int, what: str, **fields: object) -> None:
        """Log what went wrong and wait, but not through a drain."""
        _log.error(what, **fields)
        with trio.move_on_after(delay_seconds(failures, 0, STORAGE_MOST_SECONDS)):
            await self._draining.wait()

    # ----------------------------------------------- runs that have not begun

    async def _end_waiting(self, session_key: str, run_id: str) -> None:
        """End a run that was aborted before it began."""
        try:
            await self._storage.finish(run_id, TurnEnd(RunState.ABORTED, None))
        except StorageError as error:  # its worker ends it, when its turn comes
            _log.error("The end of a turn cannot be stored.", session=session_key, run=run_id, error=str(error))
            return
        self._pending.end(session_key, run_id)
        self._runs.close(run_id, RunResult(run_id, session_key, RunState.ABORTED, ""))
        self._turns.ended.unpark_all()

    async def _release(self, worker: _Worker) -> None:
        """There is nothing to claim in a session: what still seems to wait was withdrawn, or deleted with it."""
        if worker.woken.is_set():  # there may be by now
            return
        self._pending.forget_ended(worker.key)
        for run_id in self._pending.of(worker.key):
            if await self._turns.is_over(run_id, worker.key):
                self._pending.remove(worker.key, run_id)
        self._turns.ended.unpark_all()


@define(eq=False)
class _Worker:
    key: str
    woken: trio.Event = field(factory=trio.Event)
