"""A turn while it runs: what it has said so far, and how it is stopped."""

from __future__ import annotations

from collections.abc import Callable

import trio

from xopc.contracts.events import AgentEvent, MessageEnd, Token
from xopc.contracts.transcript import Role
from xopc.storage.path.base import Turn


class RunningTurn:
    """One turn of a session, from its claim to its end."""

    def __init__(self, turn: Turn, publish: Callable[[AgentEvent], None]) -> None:
        """`publish` takes each event, after it was looked at here."""
        self.turn = turn
        self.scope = trio.CancelScope()
        """Whatever can be stopped runs inside of it."""
        self.is_ending = False
        """It is being committed, and cannot be stopped any more."""
        self._publish = publish
        self._pieces: list[str] = []
        self._said = ""

    @property
    def draft(self) -> str:
        """What there is of the message that is being written."""
        return "".join(self._pieces)

    def last_said(self) -> str:
        """What the agent said last, in an earlier process perhaps."""
        earlier = (entry.message for entry in reversed(self.turn.steps))
        said = (message.content for message in earlier if message.role is Role.ASSISTANT and message.content)
        return self.draft or self._said or next(said, "")

    def emit(self, event: AgentEvent) -> None:
        """Something happened in the turn."""
        if isinstance(event, Token):
            if event.reset:
                self._pieces.clear()
            self._pieces.append(event.content)
        elif isinstance(event, MessageEnd):
            self._said = self.draft or self._said
            self._pieces.clear()
        self._publish(event)

    def stop(self) -> bool:
        """Stop it at its next checkpoint; False where it is too late."""
        if self.is_ending:
            return False
        self.scope.cancel()
        return True
