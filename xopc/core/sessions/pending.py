"""What has not begun: runs that nobody has claimed in this generation, and those of them that are stopped."""

from __future__ import annotations


class Pending:
    """By session, in the order of acceptance. Nothing of it is stored."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[str, bool]] = {}
        """By session: runs, and whether each is bound."""
        self._stopped: set[str] = set()
        """Runs that were aborted, and whose end is still to be stored; their worker may be claiming them just now."""
        self._ended: dict[str, list[str]] = {}
        """By session: those of them whose end is stored, so that no later claim gives them."""

    def add(self, session_key: str, run_id: str, *, bound: bool) -> None:
        """A run was accepted, or found. Harmless where it is known."""
        self._waiting.setdefault(session_key, {}).setdefault(run_id, bound)

    def remove(self, session_key: str, run_id: str) -> None:
        """It has begun, or never will. Harmless where it does not wait."""
        waiting = self._waiting.get(session_key, {})
        waiting.pop(run_id, None)
        if not waiting:
            self._waiting.pop(session_key, None)

    def of(self, session_key: str) -> tuple[str, ...]:
        """The runs that wait in a session."""
        return tuple(self._waiting.get(session_key, ()))

    def count(self, session_key: str) -> int:
        """How many wait in a session."""
        return len(self._waiting.get(session_key, ()))

    def session_of(self, run_id: str) -> str | None:
        """The session in which a run waits; None where it does not."""
        return next((key for key, waiting in self._waiting.items() if run_id in waiting), None)

    def bound(self) -> list[tuple[str, str]]:
        """All that are bound to requests: their sessions and their runs."""
        return [
            (key, run_id) for key, waiting in self._waiting.items() for run_id, is_bound in waiting.items() if is_bound
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
