"""Jobs of the scheduler: made, left alone while the gateway is killed, and disabled in the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from tests.e2e.chaos.clients import CREDENTIAL, Answer, ask, connect
from tests.e2e.chaos.ledger import Outcome
from tests.e2e.outside import Outside
from xopc.contracts.cron import RunStatus

SOON_SECONDS = 1.0
"""Until a job is due that is due once."""
AGAIN_SECONDS = 0.1
MOST_TRIES = 10


class Errand(Enum):
    """What a job does."""

    REMINDER = "reminder"
    """Its text is sent to a chat."""
    QUESTION = "question"
    """The agent answers it in a session of its own, and the answer is sent to a chat."""
    FAILURE = "failure"
    """The agent fails, and once more when it is tried again; the chat is told the first time."""


RETRIES = {Errand.FAILURE: 1}
"""How often a run is tried again, where that is not the default."""


class Timer:
    """One job, and who has made it."""

    def __init__(self, errand: Errand, number: int, port: int, world: Outside) -> None:
        """`number` is that of its chat."""
        self.errand = errand
        self.name = f"{errand.value} {number}"
        self.chat = str(number)
        self.stopped_at = math.inf
        """When it was to be run no more; seconds since the epoch."""
        self._port = port
        world.meet(number)

    @property
    def answer(self) -> str:
        """What its chat is told of a run that went well."""
        return self.text if self.errand is Errand.REMINDER else f"You said: {self.text}"

    @property
    def end(self) -> RunStatus:
        """How its runs end."""
        return RunStatus.FAILED if self.errand is Errand.FAILURE else RunStatus.SUCCESS

    @property
    def text(self) -> str:
        return "fail:400" if self.errand is Errand.FAILURE else f"the {self.name}"

    def start(self, schedule: Callable[[], dict[str, object]]) -> None:
        """Make the job, once, however often that is cut."""
        is_sent = self.errand is Errand.REMINDER
        body: dict[str, object] = {
            "name": self.name,
            "payload": {"kind": "systemEvent", "text": self.text}
            if is_sent
            else {"kind": "agentTurn", "message": self.text},
            "sessionTarget": "main" if is_sent else "isolated",
            "delivery": {"mode": "direct" if is_sent else "announce", "channel": "telegram", "to": self.chat},
        }
        if self.errand in RETRIES:
            body["maxRetries"] = RETRIES[self.errand]
        detail = ""
        for _ in range(MOST_TRIES):
            detail = self._ask("POST", "/api/cron/create", {**body, "schedule": schedule()}).detail
            if self._id() is not None:
                return
        raise AssertionError(f"{self.name} cannot be made: {detail}")

    def finish(self) -> None:
        """Disable it."""
        self.stopped_at = time.time()
        while self._ask("POST", f"/api/cron/{self._id()}/toggle", {"enabled": False}).outcome is not Outcome.ANSWERED:
            time.sleep(AGAIN_SECONDS)

    def _id(self) -> str | None:
        """Of the job, if it is there."""
        while (answer := self._ask("GET", "/api/cron")).outcome is not Outcome.ANSWERED:
            time.sleep(AGAIN_SECONDS)
        jobs: Sequence[dict[str, Any]] = answer.body["jobs"]
        return next((job["id"] for job in jobs if job["name"] == self.name), None)

    def _ask(self, method: str, path: str, body: object = None) -> Answer:
        with closing(connect(self._port)) as connection:
            return ask(connection, method, path, body, CREDENTIAL)


def every(seconds: int) -> Callable[[], dict[str, object]]:
    """A schedule that comes again and again."""
    return lambda: {"kind": "every", "everyMs": seconds * 1000}


def soon() -> dict[str, object]:
    """A schedule that comes once, in a moment."""
    return {"kind": "at", "at": (datetime.now(UTC) + timedelta(seconds=SOON_SECONDS)).isoformat()}


def timers(first: int, port: int, world: Outside, errands: Iterable[Errand] = Errand) -> Sequence[Timer]:
    """One for each errand; `first` is the number of the first one's chat."""
    return [Timer(errand, number, port, world) for number, errand in enumerate(errands, first)]
