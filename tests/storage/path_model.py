"""The message path in plain lists: what the storage has to do, without how."""

from __future__ import annotations

from attrs import define, field

from xopc.contracts.messages import InboxState, OutboxState
from xopc.contracts.transcript import RunState
from xopc.storage.path.base import API_KEY

Said = tuple[str, str]
"""The run and the text of a message; texts of tools begin with `tool`."""


@define
class Run:
    """A message to answer, and its run."""

    id: str
    dedupe_key: str
    bound: bool
    opening: int
    order: int
    boot: int | None = None
    first: int | None = None
    """How many messages its session had when it began."""
    attempts: int = 0
    parked: bool = False
    is_beat: bool = False
    """Then it has no place in the order of the chat."""
    state: RunState = RunState.RUNNING

    @property
    def is_open(self) -> bool:
        return self.state is RunState.RUNNING


@define
class Session:
    """What is known of a session."""

    runs: list[Run] = field(factory=list[Run])
    messages: list[Said] = field(factory=list[Said])
    reset: int = 0


@define
class Row:
    """A message to send."""

    id: str
    lane: str
    text: str
    key: str | None = None
    state: OutboxState = OutboxState.PENDING
    attempts: int = 0
    parts: int = 0
    possible_duplicate: bool = False
    unclear: int = 0
    is_retried: bool = False

    @property
    def is_unsent(self) -> bool:
        return self.state in (OutboxState.PENDING, OutboxState.INFLIGHT)


@define
class Path:
    """The whole storage. A process is a number, which is its boot and its opening."""

    process: int = 1
    sessions: dict[str, Session] = field(factory=dict[str, Session])
    dedupe: dict[str, tuple[str, str | None]] = field(factory=dict[str, tuple[str, str | None]])
    """The run that each key names, and the request that it is for."""
    rows: list[Row] = field(factory=list[Row])
    pauses: dict[str, float] = field(factory=dict[str, float])
    """By account: how long."""
    orders: int = 0
    last_beat: str | None = None
    wakes: dict[str, bool] = field(factory=dict[str, bool])
    """What woke the heart, and whether that was somebody."""
    told: set[tuple[str, str]] = field(factory=set[tuple[str, str]])
    """Lanes and texts, of what was told unasked today."""

    def accept(
        self, session_key: str, run_id: str, dedupe_key: str, *, bound: bool, request: str | None = None
    ) -> tuple[str, bool] | None:
        """None: a caller's key is taken."""
        if dedupe_key in self.dedupe:
            known, known_request = self.dedupe[dedupe_key]
            return (known, True) if known_request == request else None
        if request is not None and any(row.key == dedupe_key.removeprefix(API_KEY) for row in self.rows):
            return None
        self.dedupe[dedupe_key] = run_id, request
        run = Run(run_id, dedupe_key, bound, opening=self.process, order=self._next_order())
        self.sessions.setdefault(session_key, Session()).runs.append(run)
        return run_id, False

    def takes_key(self, key: str) -> bool:
        """Whether a caller's key may be one for a message to send."""
        return API_KEY + key not in self.dedupe

    def claim(self, session_key: str) -> tuple[str, list[Said]] | None:
        run = self._head(session_key)
        if run is None:
            return None
        messages = self.sessions[session_key].messages
        if run.first is None:
            run.first = len(messages)
            messages.append((run.id, "user"))
        run.boot = self.process
        return run.id, [said for said in messages[run.first :] if said[0] == run.id]

    def head(self, session_key: str) -> tuple[int, bool] | None:
        """The attempts at the oldest message, and whether an older one (all are of one chat) is elsewhere."""
        run = self._head(session_key)
        if run is None:
            return None
        older = [other for other in self._all() if other.is_open and not other.is_beat and other.order < run.order]
        return run.attempts, bool(older) and not run.is_beat

    def fail(self, session_key: str, run_id: str | None) -> tuple[str, int] | None:
        run = self._head(session_key)
        if run is None or run_id not in (None, run.id):
            return None
        run.boot = None
        run.attempts += 1
        return run.id, run.attempts

    def park(self, run_id: str) -> None:
        for _, run in self._runs(run_id):
            if run.is_open:
                run.state, run.parked = RunState.FAILED, True

    def retry(self, run_id: str) -> str | None:
        for key, session in self.sessions.items():
            for run in session.runs:
                if run.id == run_id and run.parked:
                    session.runs.remove(run)
                    order = self._next_order()
                    again = Run(run_id, run.dedupe_key, False, opening=self.process, order=order, is_beat=run.is_beat)
                    session.runs.append(again)
                    return key
        return None

    def delete(self, run_id: str) -> bool:
        for session, run in self._runs(run_id):
            if run.parked:
                session.runs.remove(run)
                return True
        return False

    def listed(self, state: InboxState) -> set[str]:
        def holds(run: Run) -> bool:
            if state is InboxState.PARKED:
                return run.parked
            return run.is_open and (run.boot is None) == (state is InboxState.WAITING)

        return {run.id for run in self._all() if holds(run)}

    def step(self, run_id: str, text: str) -> bool:
        for session, run in self._runs(run_id):
            if run.first is not None and run.is_open:
                session.messages.append((run_id, text))
                return True
        return False

    def finish(self, run_id: str, text: str, rows: list[Row], *, once_a_day: bool = False) -> list[Row]:
        for session, run in self._runs(run_id):
            if run.is_open:
                session.messages.append((run_id, text))
                run.state = RunState.DONE
                stored = [row for row in rows if not once_a_day or self._is_told_first(row)]
                self.rows += stored
                return stored
        return []

    def begin_beat(self, session_key: str, run_id: str) -> bool:
        if self.last_beat is not None and self.result(self.last_beat) is RunState.RUNNING:
            return False
        self.accept(session_key, run_id, f"heartbeat:{run_id}", bound=False)
        for _, run in self._runs(run_id):
            run.is_beat = True
        self.last_beat = run_id
        self.wakes.clear()
        return True

    def keep(self, run_id: str) -> None:
        for _, run in self._runs(run_id):
            run.bound = False

    def withdraw(self, run_id: str) -> bool:
        for session, run in self._runs(run_id):
            if run.bound and run.first is None and run.is_open:
                session.runs.remove(run)
                del self.dedupe[run.dedupe_key]
                return True
        return False

    def recover(self) -> set[str]:
        for session in self.sessions.values():
            for run in session.runs:
                is_foreign = (run.opening if run.boot is None else run.boot) != self.process
                if run.is_open and is_foreign:
                    run.attempts += run.boot is not None
                    run.boot = None
                    run.state = RunState.INTERRUPTED if run.bound else run.state
        return {key for key, session in self.sessions.items() if any(run.is_open for run in session.runs)}

    def release(self) -> None:
        for run in self._all():
            if run.is_open and run.boot == self.process:
                run.boot = None
                run.state = RunState.INTERRUPTED if run.bound else run.state

    def history(self, session_key: str, limit: int) -> list[Said]:
        session = self.sessions[session_key]
        window = session.messages[session.reset :][-limit:]
        while window and window[0][1].startswith("tool"):
            del window[0]
        return window

    def result(self, run_id: str) -> RunState | None:
        return next((run.state for _, run in self._runs(run_id)), None)

    def unsent(self, lane: str) -> Row | None:
        return next((row for row in self.rows if row.lane == lane and row.is_unsent), None)

    def lanes(self) -> set[str]:
        return {row.lane for row in self.rows if row.is_unsent}

    def recover_outbox(self, *, is_idempotent: bool) -> int:
        inflight = [row for row in self.rows if row.state is OutboxState.INFLIGHT]
        for row in inflight:
            row.state, row.unclear = OutboxState.PENDING, row.unclear + 1
            row.possible_duplicate |= not is_idempotent
        return 0 if is_idempotent else len(inflight)

    def retry_dead(self, rows: list[Row]) -> list[Row]:
        dead = [row for row in rows if row.state is OutboxState.DEAD]
        for row in dead:
            row.state, row.attempts, row.unclear, row.is_retried = OutboxState.PENDING, 0, 0, True
        return dead

    def delete_dead(self, rows: list[Row]) -> list[Row]:
        dead = [row for row in rows if row.state is OutboxState.DEAD]
        for row in dead:
            self.rows.remove(row)
        return dead

    def _head(self, session_key: str) -> Run | None:
        return next((run for run in self.sessions.get(session_key, Session()).runs if run.is_open), None)

    def _all(self) -> list[Run]:
        return [run for session in self.sessions.values() for run in session.runs]

    def _next_order(self) -> int:
        self.orders += 1
        return self.orders

    def _is_told_first(self, row: Row) -> bool:
        told = (row.lane, row.text)
        is_first = told not in self.told
        self.told.add(told)
        return is_first

    def _runs(self, run_id: str) -> list[tuple[Session, Run]]:
        return [(session, run) for session in self.sessions.values() for run in session.runs if run.id == run_id]
