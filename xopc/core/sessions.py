"""Sessions at work: the turns of one session run one after the other, those of different sessions side by side.

A session with something to do has a worker. It claims the oldest message without an end, has the agent run the turn,
and commits the end; then the next one. What a process or a generation leaves unfinished, the next one claims again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import structlog
import trio
from attrs import define, field
from structlog.typing import FilteringBoundLogger

from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.events import AgentEvent, RunError, Token, payload
from xopc.contracts.transcript import Message, Role, RunResult, RunState
from xopc.core.hub import AGENT_STREAM, Hub
from xopc.core.retry import STORAGE_MOST_SECONDS, delay_seconds
from xopc.core.running import RunningTurn
from xopc.core.runs import Runs
from xopc.core.takeup import TakeUp
from xopc.storage.base import StorageError
from xopc.storage.path import PathStorage, Turn, TurnEnd
from xopc.storage.path_outbox import lane_of

RunTurn: TypeAlias = Callable[[Turn, Callable[[AgentEvent], None]], Awaitable[TurnEnd]]

MAX_TURNS = 64
"""At once; further sessions wait, the longest waiting first."""
IDLE_SECONDS = 60.0
"""How long the worker of a session waits for more before it ends."""

GOES_ON = "The gateway restarts. This run goes on afterwards: ask for it again by its run id."
NOT_BEGUN = "The gateway restarts, and had not begun with this message. Send it again."
DELETED = "The session was deleted before the answer was complete."

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
        self._run_turn = run_turn
        self._runs = runs
        self._hub = hub
        self._outbox_wake = outbox_wake
        self._boot_id = boot_id
        self._limiter = trio.CapacityLimiter(MAX_TURNS)
        self._nursery: trio.Nursery | None = None
        self._early: set[str] = set()
        self._takeup = TakeUp(self.wake)
        self._workers: dict[str, _Worker] = {}
        self._waiting: dict[str, dict[str, bool]] = {}
        """By session: the runs that this generation accepted and nobody has claimed; whether each is bound."""
        self._active: dict[str, RunningTurn] = {}
        """By session: the turn that runs."""
        self._stopped: set[str] = set()
        """Runs that were aborted, and whose end is still to be stored; their worker may be claiming them just now."""
        self._ended: dict[str, list[str]] = {}
        """By session: those of them whose end is stored, so that no later claim gives them."""
        self._draining = trio.Event()
        self._turn_ended = trio.lowlevel.ParkingLot()

    @property
    def is_draining(self) -> bool:
        """Whether nothing new is begun."""
        return self._draining.is_set()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Take up what is unfinished, report started, and work until cancelled. Where the storage fails, the report
        does not wait for it.

        *Cancellation*: turns that run keep their steps, and are continued by whoever runs next. Their followers, and
        those of runs that have not begun, are told so.
        """
        try:
            try:
                keys = await self._storage.recover(self._boot_id)
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
                self._interrupt(run_id, key)

    def admit(self, session_key: str, run_id: str, *, bound: bool = False) -> None:
        """A message was stored: its run can be followed from now on, and its session goes to work."""
        self._waiting.setdefault(session_key, {})[run_id] = bound
        if not self.is_draining:
            self._runs.open(run_id, session_key)
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
        """How many messages of a session this generation accepted and has not begun with."""
        return len(self._waiting.get(session_key, ()))

    def is_busy(self, session_key: str) -> bool:
        """Whether a turn of the session runs, or waits for its place."""
        return session_key in self._active or bool(self.waiting(session_key))

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
        for active in self._active.values():
            if active.turn.run_id == run_id:
                return active.stop()
        if self._nursery is None or self.is_draining or run_id in self._stopped:
            return False
        for session_key, waiting in self._waiting.items():
            if run_id in waiting:
                self._stopped.add(run_id)
                self._nursery.start_soon(self._end_waiting, session_key, run_id)
                return True
        return False

    async def abort_session(self, session_key: str) -> None:
        """Stop what runs and what waits in a session, and return when none of it runs or waits any more."""
        while self.is_busy(session_key) and not self.is_draining:
            if active := self._active.get(session_key):
                active.stop()
            for run_id in tuple(self._waiting.get(session_key, ())):
                self.abort(run_id)
            await self._turn_ended.park()

    async def withdraw(self, session_key: str, run_id: str) -> bool:
        """Forget a bound message that was not begun with; whoever waits is told to send it again. False where it is
        too late, or cannot be stored."""
        try:
            withdrawn = await self._storage.withdraw(run_id)
        except StorageError as error:
            _log.error("A message that nobody waits for could not be removed.", run=run_id, error=str(error))
            return False
        if withdrawn:
            self._forget_waiting(session_key, run_id)
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
            for key, waiting in self._waiting.items():
                for run_id in [run_id for run_id, is_bound in waiting.items() if is_bound]:
                    nursery.start_soon(self.withdraw, key, run_id)
        running = {active.turn.run_id for active in self._active.values()}
        for run_id, key in self._runs.open_runs().items():
            if run_id not in running:
                self._interrupt(run_id, key)
        self._turn_ended.unpark_all()
        while self._active:
            await self._turn_ended.park()

    # --------------------------------------------------------------- workers

    async def _recover(self) -> list[str]:
        failures = 1
        while True:
            await trio.sleep(delay_seconds(failures, 0, STORAGE_MOST_SECONDS))
            try:
                return await self._storage.recover(self._boot_id)
            except StorageError as error:
                failures += 1
                _log.error("The sessions cannot be read.", error=str(error))

    async def _work(self, worker: _Worker) -> None:
        """Run the turns of one session until there has been none for a while."""
        failures = 0
        while not self.is_draining:
            worker.woken = trio.Event()
            try:
                async with self._limiter:
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
        """Claim a turn and run it to its end; False where there is none."""
        if self.is_draining:
            return False
        self._stopped.difference_update(self._ended.pop(worker.key, ()))
        turn = await self._storage.claim(worker.key, self._boot_id)
        if turn is None:
            if not worker.woken.is_set():
                await self._release(worker.key)
            return False
        if not self.is_draining:
            await self._run(turn)
        return True

    async def _run(self, turn: Turn) -> None:
        """Run a claimed turn to its end.

        Raises:
            StorageError: it could not be stored; the turn can be claimed again.
        """
        run_id, key = turn.run_id, turn.session_key
        self._runs.open(run_id, key)
        active = self._active[key] = RunningTurn(turn, self._publisher(turn))
        self._forget_waiting(key, run_id)
        self._hub.publish("session.updated", {"key": key})
        try:
            await self._finish(active, await self._answer(active))
        except Exception:  # the next try says all of it again
            if active.draft:
                active.emit(Token("", reset=True))
            if active.scope.cancel_called:
                self._stopped.add(run_id)
            if not await self._is_over(run_id, key):
                raise
        except BaseException:
            self._interrupt(run_id, key)
            raise
        finally:
            del self._active[key]
            self._turn_ended.unpark_all()

    async def _answer(self, active: RunningTurn) -> TurnEnd:
        if active.turn.run_id not in self._stopped:
            with active.scope:
                return await self._run_turn(active.turn, active.emit)
        text = active.draft
        return TurnEnd(RunState.ABORTED, Message(Role.ASSISTANT, text) if text.strip() else None)

    async def _finish(self, active: RunningTurn, end: TurnEnd) -> None:
        """Commit the end of a turn, however long that takes, and tell everybody."""
        turn = active.turn
        active.is_ending = True
        failures = 0
        while True:
            try:
                await self._storage.finish(turn.run_id, end)
                break
            except StorageError as error:
                failures += 1
                what = "The end of a turn cannot be stored."
                _log.error(what, session=turn.session_key, run=turn.run_id, error=str(error))
                await trio.sleep(delay_seconds(failures, 0, STORAGE_MOST_SECONDS))
        self._stopped.discard(turn.run_id)
        addresses = [outbound.address for outbound in end.outbox]
        self._outbox_wake([lane_of(address.channel, address.account, address.chat) for address in addresses])
        reply = end.message.content if end.message else active.last_said()
        result = RunResult(
            turn.run_id, turn.session_key, end.state, reply, end.model, end.usage, end.error, end.timed_out
        )
        self._runs.close(turn.run_id, result)
        self._hub.publish("session.updated", {"key": turn.session_key})

    def _publisher(self, turn: Turn) -> Callable[[AgentEvent], None]:
        def publish(event: AgentEvent) -> None:
            self._runs.publish(turn.run_id, event)
            if self._hub.is_heard:
                data = {"sessionKey": turn.session_key, "runId": turn.run_id, "event": payload(event)}
                self._hub.publish(AGENT_STREAM, data)

        return publish

    async def _pause(self, failures: int, what: str, **fields: object) -> None:
        """Log what went wrong and wait, but not through a drain."""
        _log.error(what, **fields)
        with trio.move_on_after(delay_seconds(failures, 0, STORAGE_MOST_SECONDS)):
            await self._draining.wait()

    # ----------------------------------------------- runs that have not begun

    def _forget_waiting(self, session_key: str, run_id: str) -> None:
        waiting = self._waiting.get(session_key, {})
        waiting.pop(run_id, None)
        if not waiting:
            self._waiting.pop(session_key, None)

    async def _end_waiting(self, session_key: str, run_id: str) -> None:
        """End a run that was aborted before it began."""
        try:
            await self._storage.finish(run_id, TurnEnd(RunState.ABORTED, None))
        except StorageError as error:  # its worker ends it, when its turn comes
            _log.error("The end of a turn cannot be stored.", session=session_key, run=run_id, error=str(error))
            return
        self._ended.setdefault(session_key, []).append(run_id)
        self._forget_waiting(session_key, run_id)
        self._runs.close(run_id, RunResult(run_id, session_key, RunState.ABORTED, ""))
        self._turn_ended.unpark_all()

    async def _release(self, session_key: str) -> None:
        """There is nothing to claim in a session: what still seems to wait was withdrawn, or deleted with it."""
        for run_id in tuple(self._waiting.get(session_key, ())):
            if await self._is_over(run_id, session_key):
                self._forget_waiting(session_key, run_id)
        self._turn_ended.unpark_all()

    async def _is_over(self, run_id: str, session_key: str) -> bool:
        """Whether a run has ended without its worker; those who follow it are told."""
        result = await self._storage.result(run_id)
        if result is not None and result.state is RunState.RUNNING:
            return False
        self._runs.close(run_id, result or RunResult(run_id, session_key, RunState.ABORTED, "", error=DELETED))
        return True

    def _interrupt(self, run_id: str, session_key: str) -> None:
        """Tell those who follow a run that it goes on elsewhere."""
        self._runs.publish(run_id, RunError(GOES_ON))
        self._runs.close(run_id, RunResult(run_id, session_key, RunState.RUNNING, "", error=GOES_ON))


@define(eq=False)
class _Worker:
    key: str
    woken: trio.Event = field(factory=trio.Event)
