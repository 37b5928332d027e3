"""A claimed turn, from its first event to the commit of its end, and whoever waits for it told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import structlog
import trio
from structlog.typing import FilteringBoundLogger

from xopc.contracts.events import AgentEvent, RunError, Token, payload
from xopc.contracts.transcript import Message, Role, RunResult, RunState
from xopc.core.hub import AGENT_STREAM, Hub
from xopc.core.outbox.retry import STORAGE_MOST_SECONDS, delay_seconds
from xopc.core.sessions.parking import is_given_up, parked, parked_untold
from xopc.core.sessions.pending import Pending
from xopc.core.sessions.running import RunningTurn
from xopc.core.sessions.runs import Runs
from xopc.storage.base import StorageError
from xopc.storage.path.base import PathStorage, Turn, TurnEnd
from xopc.storage.path.outbox import lane_of

RunTurn: TypeAlias = Callable[[Turn, Callable[[AgentEvent], None]], Awaitable[TurnEnd]]

GOES_ON = "The gateway restarts. This run goes on afterwards: ask for it again by its run id."
ENDED = "A turn has ended."
"""In the log, with the ids that join the message with its answer."""
DELETED = "The session was deleted before the answer was complete."

_log: FilteringBoundLogger = structlog.get_logger("xopc.sessions")


class Turns:
    """The turns that run in one generation, one for each session at most."""

    def __init__(  # noqa: PLR0917  what a turn passes through, in its order
        self,
        storage: PathStorage,
        run_turn: RunTurn,
        runs: Runs,
        hub: Hub,
        outbox_wake: Callable[[Sequence[str]], None],
        pending: Pending,
    ) -> None:
        """`outbox_wake` takes the lanes that got new messages."""
        self._storage = storage
        self._run_turn = run_turn
        self._runs = runs
        self._hub = hub
        self._outbox_wake = outbox_wake
        self._pending = pending
        self.active: dict[str, RunningTurn] = {}
        """By session: the turn that runs."""
        self.ended = trio.lowlevel.ParkingLot()
        """Whoever waits here is woken whenever a turn ends, or one that waited no longer does."""

    async def run(self, turn: Turn) -> None:
        """Run a claimed turn to its end; one that has failed too often is parked instead.

        Raises:
            StorageError: it could not be stored; the turn can be claimed again.
        """
        run_id, key = turn.run_id, turn.session_key
        self._runs.open(run_id, key)
        active = self.active[key] = RunningTurn(turn, self._publisher(turn))
        self._pending.remove(key, run_id)
        self._hub.publish("session.updated", {"key": key})
        try:
            await self._finish(active, await self._answer(active))
        except Exception:  # the next try says all of it again
            if active.draft:
                active.emit(Token("", reset=True))
            if active.scope.cancel_called:
                self._pending.stop(run_id)
            if not await self.is_over(run_id, key):
                raise
        except BaseException:
            self.interrupt(run_id, key)
            raise
        finally:
            del self.active[key]
            self.ended.unpark_all()

    async def is_over(self, run_id: str, session_key: str) -> bool:
        """Whether a run has ended without its worker; those who follow it are told."""
        result = await self._storage.result(run_id)
        if result is not None and result.state is RunState.RUNNING:
            return False
        self._runs.close(run_id, result or RunResult(run_id, session_key, RunState.ABORTED, "", error=DELETED))
        return True

    def interrupt(self, run_id: str, session_key: str) -> None:
        """Tell those who follow a run that it goes on elsewhere."""
        self._runs.publish(run_id, RunError(GOES_ON))
        self._runs.close(run_id, RunResult(run_id, session_key, RunState.RUNNING, "", error=GOES_ON))

    async def park(self, run_id: str, session_key: str, error: str) -> None:
        """Give a message up that cannot even be claimed.

        Raises:
            StorageError: it could not be stored.
        """
        end = parked_untold(run_id, error)
        await self._storage.finish(run_id, end)
        self._pending.remove(session_key, run_id)
        self._tell_end(run_id, session_key, end, "")

    async def _answer(self, active: RunningTurn) -> TurnEnd:
        turn = active.turn
        if not self._pending.is_stopped(turn.run_id):
            if is_given_up(turn):
                end = parked(turn)
                active.emit(RunError(end.error or ""))
                return end
            with active.scope:
                return await self._run_turn(turn, active.emit)
        text = active.draft
        return TurnEnd(RunState.ABORTED, Message(Role.ASSISTANT, text) if text.strip() else None)

    async def _finish(self, active: RunningTurn, end: TurnEnd) -> None:
        """Commit the end of a turn, however long that takes, and tell everybody."""
        turn = active.turn
        active.is_ending = True
        failures = 0
        while True:
            try:
                message_ids = await self._storage.finish(turn.run_id, end)
                break
            except StorageError as error:
                failures += 1
                what = "The end of a turn cannot be stored."
                _log.error(what, session=turn.session_key, run=turn.run_id, error=str(error))
                await trio.sleep(delay_seconds(failures, 0, STORAGE_MOST_SECONDS))
        self._pending.forget(turn.run_id)
        addresses = [outbound.address for outbound in end.outbox]
        self._outbox_wake([lane_of(address.channel, address.account, address.chat) for address in addresses])
        reply = end.message.content if end.message else active.last_said()
        self._tell_end(turn.run_id, turn.session_key, end, reply)
        _log.info(ENDED, **_fields(turn, end), messages=message_ids)

    def _tell_end(self, run_id: str, session_key: str, end: TurnEnd, reply: str) -> None:
        result = RunResult(run_id, session_key, end.state, reply, end.model, end.usage, end.error, end.timed_out)
        self._runs.close(run_id, result)
        self._hub.publish("session.updated", {"key": session_key})
        if end.parked:
            _log.warn("A message is given up and stands parked in the inbox.", session=session_key, run=run_id)
            self._hub.publish("message.parked", {"sessionKey": session_key, "runId": run_id, "error": end.error})

    def _publisher(self, turn: Turn) -> Callable[[AgentEvent], None]:
        def publish(event: AgentEvent) -> None:
            self._runs.publish(turn.run_id, event)
            if self._hub.is_heard:
                data = {"sessionKey": turn.session_key, "runId": turn.run_id, "event": payload(event)}
                self._hub.publish(AGENT_STREAM, data)

        return publish


def _fields(turn: Turn, end: TurnEnd) -> dict[str, object]:
    """What joins the message that came in with its answer: ids, and nothing that anybody said."""
    inbound = turn.inbound
    fields = {
        "run": turn.run_id,
        "session": turn.session_key,
        "state": end.state.value,
        "model": end.model,
        "channel": inbound.address.channel,
        "dedupeKey": inbound.dedupe_key,
        "platformMessageId": inbound.message_id,
        "error": end.error,
    }
    return {name: value for name, value in fields.items() if value is not None}
