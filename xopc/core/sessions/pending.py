"""What has not begun: runs that nobody has claimed in this generation, and those of them that are stopped."""

from __future__ import annotations


class Pending:
    """By session, in the order of acceptance. Nothing of it is stored.

    After a long absence a hundred thousand may wait, most of them alone in their session: those cost no collection.
    """

    def __init__(self) -> None:
        self._alone: dict[str, str] = {}
        """By session: its only run."""
        self._several: dict[str, dict[str, None]] = {}
        """By session: its runs, where more than one waited."""
        self._bound: set[str] = set()
        """Those of all these that are bound."""
        self._stopped: set[str] = set()
        """Runs that were aborted, and whose end is still to be stored; their worker may be claiming them just now."""
        self._ended: dict[str, list[str]] = {}
        """By session: those of them whose end is stored, so that no later claim gives them."""

    def add(self, session_key: str, run_id: str, *, bound: bool) -> None:
        """A run was accepted, or found. Harmless where it is known."""
        several = self._several.get(session_key)
        if several is None and self._alone.setdefault(session_key, run_id) != run_id:
            several = self._several[session_key] = {self._alone.pop(session_key): None}
        if several is not None:
            several[run_id] = None
        if bound:
            self._bound.add(run_id)

    def remove(self, session_key: str, run_id: str) -> None:
        """It has begun, or never will. Harmless where it does not wait."""
        if self._alone.get(session_key) == run_id:
            del self._alone[session_key]
        several = self._several.get(session_key, {})
        several.pop(run_id, None)
        if not several:
            self._several.pop(session_key, None)
        self._bound.discard(run_id)

    def of(self, session_key: str) -> tuple[str, ...]:
        """The runs that wait in a session."""
        alone = self._alone.get(session_key)
        return tuple(self._several.get(session_key, ())) if alone is None else (alone,)

    def count(self, session_key: str) -> int:
        """How many wait in a session."""
        return len(self._several.get(session_key, ())) or int(session_key in self._alone)

    def session_of(self, run_id: str) -> str | None:
        """The session in which a run waits; None where it does not."""
        alone = (key for key, only in self._alone.items() if only == run_id)
        return next(alone, next((key for key, runs in self._several.items() if run_id in runs), None))

    def bound(self) -> list[tuple[str, str]]:
        """All that are bound to requests: their sessions and their runs."""
        alone = [(key, run_id) for key, run_id in self._alone.items() if run_id in self._bound]
        return alone + [
            (key, run_id) for key, runs in self._several.items() for run_id in runs if run_id in self._bound
        ]

    # --------------------------------------------------------------- stopped

    def stop(self, run_id: str) -> None:
        """A run must not begin, or not begin again; its end is to be stored."""
        self._stopped.add(run_id)

    def is_stopped(self, run_id: str) -> bool:
        """Whether it must not begin."""
        return run_id in self._stopped

    def end(self, session_key: str, run_id: str) -> None:
        """The end of a stopped run is stored, though a claim that is under way may still give it."""
        self._ended.setdefault(session_key, []).append(run_id)
        self.remove(session_key, run_id)

    def forget_ended(self, session_key: str) -> None:
        """No claim of the session is under way: what ended before is given by none."""
        self._stopped.difference_update(self._ended.pop(session_key, ()))

    def forget(self, run_id: str) -> None:
        """The end of a run is stored, and its claim is over."""
        self._stopped.discard(run_id)
