"""The message path in plain lists: what the storage has to do, without how."""

from __future__ import annotations

from attrs import define, field

from xopc.contracts.messages import OutboxState
from xopc.contracts.transcript import RunState

Said = tuple[str, str]
"""The run and the text of a message; texts of tools begin with `tool`."""


@define
class Run:
    """A message to answer, and its run."""

    id: str
    dedupe_key: str
    bound: bool
    opening: int
    boot: int | None = None
    begun: bool = False
    state: RunState = RunState.RUNNING


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
    dedupe: dict[str, str] = field(factory=dict[str, str])
    rows: list[Row] = field(factory=list[Row])
    pauses: dict[str, float] = field(factory=dict[str, float])
    """By account: how long."""

    def accept(self, session_key: str, run_id: str, dedupe_key: str, *, bound: bool) -> tuple[str, bool]:
        if dedupe_key in self.dedupe:
            return self.dedupe[dedupe_key], True
        self.dedupe[dedupe_key] = run_id
        run = Run(run_id, dedupe_key, bound, opening=self.process)
        self.sessions.setdefault(session_key, Session()).runs.append(run)
        return run_id, False

    def claim(self, session_key: str) -> tuple[str, list[Said]] | None:
        session = self.sessions.get(session_key, Session())
        run = next((run for run in session.runs if run.state is RunState.RUNNING), None)
        if run is None:
            return None
        if not run.begun:
            session.messages.append((run.id, "user"))
        run.boot, run.begun = self.process, True
        return run.id, [said for said in session.messages if said[0] == run.id]

    def step(self, run_id: str, text: str) -> bool:
        for session, run in self._runs(run_id):
            if run.begun and run.state is RunState.RUNNING:
                session.messages.append((run_id, text))
                return True
        return False

    def finish(self, run_id: str, text: str, rows: list[Row]) -> bool:
        for session, run in self._runs(run_id):
            if run.state is RunState.RUNNING:
                session.messages.append((run_id, text))
                run.state = RunState.DONE
                self.rows += rows
                return True
        return False

    def keep(self, run_id: str) -> None:
        for _, run in self._runs(run_id):
            run.bound = False

    def withdraw(self, run_id: str) -> bool:
        for session, run in self._runs(run_id):
            if run.bound and not run.begun and run.state is RunState.RUNNING:
                session.runs.remove(run)
                del self.dedupe[run.dedupe_key]
                return True
        return False

    def recover(self) -> set[str]:
        for session in self.sessions.values():
            for run in session.runs:
                is_foreign = (run.opening if run.boot is None else run.boot) != self.process
                if run.state is RunState.RUNNING and is_foreign:
                    run.boot = None
                    run.state = RunState.INTERRUPTED if run.bound else run.state
        return {
            key for key, session in self.sessions.items() if any(run.state is RunState.RUNNING for run in session.runs)
        }

    def history(self, session_key: str, limit: int) -> list[Said]:
        session = self.sessions[session_key]
        window = session.messages[session.reset :][-limit:]
        while window and window[0][1].startswith("tool"):
            del window[0]
        return window

    def result(self, run_id: str) -> RunState | None:
        return next((run.state for _, run in self._runs(run_id)), None)

    def head(self, lane: str) -> Row | None:
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

    def _runs(self, run_id: str) -> list[tuple[Session, Run]]:
        return [(session, run) for session in self.sessions.values() for run in session.runs if run.id == run_id]
