"""The heart: begins a beat when one is due or something wakes it, one at a time, and never into a conversation.

A beat is a message like any: it is accepted into the inbox, answered in a session of its own and delivered by the
outbox, so it survives what they survive. This module decides when there is one, and what it says.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import structlog
import trio
from attrs import frozen
from structlog.typing import FilteringBoundLogger

from xopc.contracts.keys import SessionKey, heartbeat_key
from xopc.contracts.messages import Address, Inbound, PeerKind
from xopc.contracts.settings.heartbeat import HeartbeatSettings
from xopc.contracts.transcript import RunState
from xopc.core.heartbeat.rules import INTERVAL, SENDER, has_tasks, is_within, told_to_agent
from xopc.core.heartbeat.tasks_file import TasksFileError, read_tasks
from xopc.core.leaps import WallClock
from xopc.core.outbox.retry import STORAGE_MOST_SECONDS, delay_seconds
from xopc.core.sessions.sessions import Sessions
from xopc.storage.base import StorageError
from xopc.storage.path.heartbeat import Beat, HeartbeatStorage, Wake

MERGE_SECONDS = 0.25
"""For others that wake it for the same: they get one beat."""
RETRY_SECONDS = 1.0
"""Between two looks whether the conversation is over."""
SETTLE_SECONDS = 60.0
"""After a start, before a beat that was due while nothing ran."""
LOOK_SECONDS = 30.0
"""Between two looks at the clock outside of the active hours."""

NOBODY = Address(SENDER, "default", "main")
"""Where a beat comes from whose answer goes nowhere."""

DISABLED = "it is disabled (gateway.heartbeat.enabled)"
ASLEEP = "this is outside of its active hours (gateway.heartbeat.activeHours)"
NO_MODEL = "no model is connected that could look after anything"
NO_TASKS = "HEARTBEAT.md asks for nothing"
NO_TARGET = "there is no enabled account {account} of a channel {channel} that tells anybody (gateway.heartbeat.target)"
NOBODY_HEARS = "there is no HEARTBEAT.md, and nobody who would hear of it (gateway.heartbeat.target)"

_log: FilteringBoundLogger = structlog.get_logger("xopc.heartbeat")


@frozen
class Body:
    """What the heart knows of the gateway around it."""

    settings: Callable[[], HeartbeatSettings]
    workspace: Callable[[], Path]
    """The folder of `HEARTBEAT.md`."""
    has_model: Callable[[], bool]
    """Whether a model answers, and not the one that is built in."""
    main_session: Callable[[], str]
    """The session that people's private chats share."""
    route: Callable[[Inbound], SessionKey]
    account: Callable[[str], str]
    """The account of a channel where the settings name none."""
    accounts: Callable[[str], Sequence[str]]
    """The enabled ones of a channel."""


@frozen
class Skipped:
    """A beat that there was not."""

    at: float
    """Seconds since the epoch."""
    reason: str
    why: str


@frozen
class Pulse:
    """How the heart stands."""

    last: Beat | None
    next_at: float | None
    """Of the next beat that is due by itself, in seconds since the epoch, where it is enabled."""
    skipped: Skipped | None
    """Since the last start, unless a beat followed."""


class Heartbeat:
    """The heart of one generation."""

    def __init__(
        self,
        storage: HeartbeatStorage,
        sessions: Sessions,
        body: Body,
        *,
        clock: Callable[[], float] = time.time,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
        read: Callable[[Path], Awaitable[str | None]] = lambda workspace: trio.to_thread.run_sync(
            read_tasks, workspace
        ),
    ) -> None:
        """`clock` gives the time of the storage, in seconds since the epoch; `now` the same with a time zone; `read`
        reads as `read_tasks`."""
        self._storage = storage
        self._sessions = sessions
        self._body = body
        self._clock = WallClock(clock)
        self._now = now
        self._read = read
        self._changed = trio.Event()
        self._started = trio.current_time()
        self._looked_at: float | None = None
        """When this generation last began a beat, or found that there should be none."""
        self._skipped: Skipped | None = None

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Report started, and beat until cancelled, or until the sessions begin nothing more.

        *Cancellation*: a beat that was begun goes on in its session.
        """
        task_status.started()
        failures = 0
        while not self._sessions.is_draining:
            try:
                await self._until_due()
                await self._until_free()
                await self._beat()
                failures = 0
            except Exception as error:  # whatever it is, the gateway does all else
                failures += 1
                exc_info = None if isinstance(error, StorageError) else error
                _log.error("The heartbeat cannot go on.", error=str(error), exc_info=exc_info)
                await trio.sleep(delay_seconds(failures, 0, STORAGE_MOST_SECONDS))
        await trio.sleep_forever()

    async def wake(self, reason: str) -> None:
        """Somebody wants to see a beat: there is one as soon as nobody is talking, whichever process comes to it.

        Raises:
            StorageError: there is none for this reason.
        """
        await self._storage.wake_heart(Wake(reason, by_hand=True))
        self.look()

    def look(self) -> None:
        """The settings have changed, or something was stored that wakes it. What comes within 250 ms is one beat."""
        self._changed.set()

    @property
    def settings(self) -> HeartbeatSettings:
        """Those in force."""
        return self._body.settings()

    @property
    def workspace(self) -> Path:
        """The folder of `HEARTBEAT.md`."""
        return self._body.workspace()

    async def pulse(self) -> Pulse:
        """How it stands.

        Raises:
            StorageError: it could not be read.
        """
        last = await self._storage.last_beat()
        settings = self.settings
        seconds = self._due(settings, last) - trio.current_time()
        next_at = self._clock.now() + max(0.0, seconds) if settings.enabled else None
        return Pulse(last, next_at, self._skipped)

    # ------------------------------------------------------------------ when

    async def _until_due(self) -> None:
        while True:
            self._changed = trio.Event()
            if await self._storage.wakes():
                break
            seconds = await self._seconds_left()
            if seconds <= 0:
                return
            with trio.move_on_after(seconds):
                await self._changed.wait()
        await trio.sleep(MERGE_SECONDS)

    async def _seconds_left(self) -> float:
        """Until the next beat is due by itself; until there is something new to find out, where it is asleep."""
        settings = self.settings
        if not settings.enabled:
            return math.inf
        seconds = self._due(settings, await self._storage.last_beat()) - trio.current_time()
        return seconds if is_within(settings.active_hours, self._now()) else max(seconds, LOOK_SECONDS)

    def _due(self, settings: HeartbeatSettings, last: Beat | None) -> float:
        """When the next beat is due by itself, of trio's clock."""
        interval = settings.interval_ms / 1000
        if self._looked_at is not None:
            return self._looked_at + interval
        age = -1.0 if last is None else self._clock.age(last.begun_at)
        if age < 0:  # the first of all; or the clock was set back, and does not tell
            return self._started + interval
        return max(trio.current_time() + interval - age, self._started + min(interval, SETTLE_SECONDS))

    async def _until_free(self) -> None:
        """Wait until nobody is talking, and the beat before has its end, whichever process began it."""
        while True:
            if not await self._is_busy():
                return
            await trio.sleep(RETRY_SECONDS)

    async def _is_busy(self) -> bool:
        if any(map(self._sessions.is_busy, self._conversations())):
            return True
        last = await self._storage.last_beat()
        return last is not None and last.state is RunState.RUNNING

    def _conversations(self) -> set[str]:
        """The sessions of those who would be interrupted: the main one, and that of the chat that hears of the beat."""
        target = _address(self.settings, self._body.account)
        keys = {self._body.main_session()}
        if target is not None:  # the settings do not say what kind of chat it is
            kinds = (PeerKind.DM, PeerKind.GROUP, PeerKind.CHANNEL, PeerKind.DIRECT)
            keys |= {str(self._body.route(Inbound(target, kind, target.chat, "", SENDER))) for kind in kinds}
        return keys

    # ------------------------------------------------------------------ what

    async def _beat(self) -> None:
        """Begin a beat, unless there should be none."""
        if self._sessions.is_draining:
            return
        wakes = await self._storage.wakes()
        reason = ", ".join(wake.reason for wake in wakes) or INTERVAL
        settings = self.settings
        self._looked_at = trio.current_time()
        try:
            text = await self._text(settings, wakes)
        except (_NoBeatError, TasksFileError) as error:
            if wakes:
                await self._storage.forget_wakes(wakes)
            self._skipped = Skipped(self._clock.now(), reason, str(error))
            _log.info("There was no heartbeat.", reason=reason, why=str(error))
            return
        target = _address(settings, self._body.account)
        run_id = str(uuid4())
        key = str(heartbeat_key(round(self._clock.now() * 1000) if settings.isolated_session else None))
        inbound = Inbound(target or NOBODY, PeerKind.DIRECT, SENDER, text, f"{SENDER}:{run_id}")
        if await self._storage.begin_beat(run_id, key, inbound, reason, wakes, deliver=target is not None):
            self._skipped = None
            _log.info("A heartbeat begins.", reason=reason, session=key, run=run_id)
            self._sessions.admit(key, run_id)

    async def _text(self, settings: HeartbeatSettings, wakes: Sequence[Wake]) -> str:
        """What to tell the agent.

        Raises:
            _NoBeatError, TasksFileError: there should be no beat, and why.
        """
        if not settings.enabled:
            raise _NoBeatError(DISABLED)
        if not is_within(settings.active_hours, self._now()):
            raise _NoBeatError(ASLEEP)
        if not self._body.has_model():
            raise _NoBeatError(NO_MODEL)
        target = _address(settings, self._body.account)
        if target is not None and target.account not in self._body.accounts(target.channel):
            raise _NoBeatError(NO_TARGET.format(account=target.account, channel=target.channel))
        tasks = await self._read(self.workspace)
        if tasks is not None and not has_tasks(tasks):
            raise _NoBeatError(NO_TASKS)
        if tasks is None and not any(wake.by_hand for wake in wakes) and target is None:
            raise _NoBeatError(NOBODY_HEARS)
        return told_to_agent(settings.prompt, tasks, [wake.reason for wake in wakes])


class _NoBeatError(Exception):
    """There should be no beat. The message says why."""


def _address(settings: HeartbeatSettings, account_of: Callable[[str], str]) -> Address | None:
    """Where answers go; None where nobody is to hear of them."""
    channel, chat = (settings.target or "").strip(), str(settings.target_chat_id or "").strip()
    if not channel or not chat:
        return None
    return Address(channel, (settings.target_account_id or "").strip() or account_of(channel), chat)
