"""When there is a beat and when there is none, over the real storage; hours pass at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from tests.core.sessions.test_sessions import World, done
from tests.fakes.path_storage import InlineEngine, InlinePath, stored_now
from xopc.contracts.messages import Address, OutboxRow, OutboxState
from xopc.contracts.settings.heartbeat import ActiveHours, HeartbeatSettings
from xopc.contracts.transcript import RunState
from xopc.core.heartbeat.heart import (
    ASLEEP,
    DISABLED,
    NO_MODEL,
    NO_TARGET,
    NO_TASKS,
    NOBODY_HEARS,
    Body,
    Heartbeat,
)
from xopc.core.heartbeat.rules import judged
from xopc.core.heartbeat.tasks_file import read_tasks
from xopc.core.router import Routing, main_session, route
from xopc.storage.base import StorageError
from xopc.storage.path.base import Turn
from xopc.storage.path.heartbeat import MAX_WAKES, Wake
from xopc.storage.path.outbox import OutboxQuery

MINUTE, HOUR = 60.0, 3600.0
TELLING = HeartbeatSettings(target="telegram", target_chat_id="7", interval_ms=int(HOUR * 1000))
MAIN = "main:main:default:dm:main"


@define(eq=False)
class Life:
    """A generation with a heart."""

    disk: InlineEngine
    workspace: Path
    settings: HeartbeatSettings = TELLING
    has_model: bool = True
    reply: str = "It rains."
    boot_id: str = "boot-1"
    world: World = field(init=False)
    heart: Heartbeat = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.world = World(InlinePath(self.disk), self.boot_id)
        self.world.answer = lambda turn, _: judged(turn, done(turn, self.reply), self.settings.ack_max_chars)

    @asynccontextmanager
    async def lived(self, *, go: bool = True) -> AsyncGenerator[Life]:
        routing = Routing("main")
        body = Body(
            settings=lambda: self.settings,
            workspace=lambda: self.workspace,
            has_model=lambda: self.has_model,
            main_session=lambda: str(main_session(routing)),
            route=lambda inbound: route(inbound, routing),
            account=lambda _: "default",
            accounts=lambda channel: ("default",) if channel == "telegram" else (),
        )
        self.heart = Heartbeat(self.world.storage, self.world.sessions, body, clock=stored_now, now=now, read=read)
        async with trio.open_nursery() as nursery:
            if go:
                self.world.go.set()
            await nursery.start(self.world.sessions.run)
            await nursery.start(self.heart.run)
            yield self
            nursery.cancel_scope.cancel()

    @property
    def beats(self) -> list[Turn]:
        return [turn for turn in self.world.turns if turn.inbound.sender == "heartbeat"]

    async def sent(self) -> list[OutboxRow]:
        page = await self.world.storage.outbox(OutboxQuery((OutboxState.PENDING,), 100))
        return list(reversed(page.rows))

    async def woken_by(self, reason: str) -> None:
        """Something wakes it, as a run of a job that goes well does."""
        await self.world.storage.wake_heart(Wake(reason, by_hand=False))
        self.heart.look()

    async def skipped(self) -> str | None:
        skipped = (await self.heart.pulse()).skipped
        return skipped and skipped.why


async def read(workspace: Path) -> str | None:
    """Without a thread, which a clock that jumps does not wait for."""
    await trio.lowlevel.checkpoint()
    return read_tasks(workspace)


def now() -> datetime:
    return datetime.fromtimestamp(stored_now(), UTC)


@pytest.fixture
def life(disk: InlineEngine, tmp_path: Path) -> Life:
    return Life(disk, tmp_path / "workspace")


async def test_a_beat_comes_at_each_interval_and_what_is_worth_it_is_told(
    autojump_clock: MockClock, life: Life
) -> None:
    async with life.lived():
        await trio.sleep(HOUR - 1)
        assert life.beats == []
        await trio.sleep(2)
        (beat,) = life.beats
        assert (beat.session_key, beat.deliver, beat.bound) == ("heartbeat:main", True, False)
        (row,) = await life.sent()
        assert (row.outbound.address, row.outbound.text) == (Address("telegram", "default", "7"), "It rains.")
        await trio.sleep(2 * HOUR)
        assert len(life.beats) == 3
        pulse = await life.heart.pulse()
        assert pulse.last is not None
        assert (pulse.last.run_id, pulse.last.reason, pulse.last.state) == (
            life.beats[-1].run_id,
            "interval",
            RunState.DONE,
        )
        assert pulse.next_at == pytest.approx(pulse.last.begun_at + HOUR, abs=1)


async def test_the_same_is_told_once_a_day_also_by_another_process(autojump_clock: MockClock, life: Life) -> None:
    async with life.lived():
        await trio.sleep(5 * HOUR)
    after = Life(life.disk, life.workspace, boot_id="boot-2")
    async with after.lived():
        await trio.sleep(5 * HOUR)
        assert len(life.beats) + len(after.beats) > 8
        assert len(await life.sent()) == 1
        after.reply = "It snows."
        await trio.sleep(HOUR)
        assert [row.outbound.text for row in await after.sent()] == ["It rains.", "It snows."]
        after.reply = "It rains."
        await trio.sleep(24 * HOUR)
        assert [row.outbound.text for row in await after.sent()] == ["It rains.", "It snows.", "It rains."]


async def test_an_acknowledgement_stays_in_the_transcript_and_is_told_to_nobody(
    autojump_clock: MockClock, life: Life
) -> None:
    life.reply = "HEARTBEAT_OK"
    async with life.lived():
        await trio.sleep(HOUR + 1)
        assert await life.sent() == []
        entries = await life.world.storage.messages("heartbeat:main", 10)
        assert entries[-1].message.content == "HEARTBEAT_OK"


async def test_without_a_target_nobody_is_told(autojump_clock: MockClock, life: Life) -> None:
    life.settings = HeartbeatSettings(interval_ms=int(HOUR * 1000))
    life.workspace.mkdir()
    (life.workspace / "HEARTBEAT.md").write_text("- Look at the sky.")
    async with life.lived():
        await trio.sleep(HOUR + 1)
        (beat,) = life.beats
        assert beat.inbound.text.endswith("HEARTBEAT.md:\n\n- Look at the sky.")
        assert not beat.deliver


async def test_isolated_beats_have_sessions_of_their_own(autojump_clock: MockClock, life: Life) -> None:
    life.settings = evolve(TELLING, isolated_session=True)
    async with life.lived():
        await trio.sleep(2 * HOUR + 2)
        keys = [beat.session_key for beat in life.beats]
        assert len(set(keys)) == 2
        assert all(key.startswith("heartbeat:isolated:") for key in keys)


# ---------------------------------------------------------------------- wakes


async def test_several_wakes_are_one_beat_with_their_reasons(autojump_clock: MockClock, life: Life) -> None:
    async with life.lived():
        await life.woken_by("cron:a")
        await trio.sleep(0.2)
        await life.woken_by("cron:b")
        await life.woken_by("cron:a")
        await trio.sleep(1)
        (beat,) = life.beats
        assert "Woken by: cron:a, cron:b\n" in f"{beat.inbound.text}\n"
        pulse = await life.heart.pulse()
        assert pulse.last is not None
        assert pulse.last.reason == "cron:a, cron:b"
        await trio.sleep(HOUR - 10)
        assert len(life.beats) == 1, "the next one is an interval after it"


async def test_a_storm_of_wakes_is_one_beat_with_few_reasons(autojump_clock: MockClock, life: Life) -> None:
    async with life.lived():
        for number in range(1000):
            await life.woken_by(f"cron:{number}")
        await trio.sleep(1)
        (beat,) = life.beats
        assert beat.inbound.text.count("cron:") == MAX_WAKES


async def test_a_beat_waits_while_the_main_session_is_busy(autojump_clock: MockClock, life: Life) -> None:
    async with life.lived(go=False):
        await life.world.accept("talk", MAIN)
        await life.woken_by("cron:a")
        await trio.sleep(10)
        assert life.beats == []
        life.world.go.set()
        await trio.sleep(1.1)
        assert len(life.beats) == 1


async def test_a_beat_does_not_break_into_the_conversation_of_the_chat_that_hears_of_it(
    autojump_clock: MockClock, life: Life
) -> None:
    async with life.lived(go=False):
        await life.world.accept("talk", "main:telegram:default:group:7")
        await life.woken_by("cron:a")
        await trio.sleep(10)
        assert life.beats == []
        life.world.go.set()
        await trio.sleep(1.1)
        assert len(life.beats) == 1


async def test_other_conversations_hold_up_no_beat(autojump_clock: MockClock, life: Life) -> None:
    async with life.lived(go=False):
        await life.world.accept("talk", "main:telegram:default:group:8")
        await life.woken_by("cron:a")
        await trio.sleep(1)
        assert len(life.beats) == 1


async def test_there_are_never_two_beats_at_once(autojump_clock: MockClock, life: Life) -> None:
    life.settings = HeartbeatSettings(interval_ms=1000, target="telegram", target_chat_id="7", isolated_session=True)
    async with life.lived(go=False):
        await trio.sleep(5)
        await life.woken_by("cron:a")
        await trio.sleep(5)
        assert len(life.beats) == 1
        life.world.go.set()
        await trio.sleep(10)
        assert len(life.beats) > 5
        assert life.world.most_at_once == 1


async def test_a_beat_of_a_process_that_died_is_finished_and_told_once_before_another_begins(
    autojump_clock: MockClock, life: Life
) -> None:
    async with life.lived(go=False):
        await life.woken_by("cron:a")
        await trio.sleep(1)
        assert len(life.beats) == 1
    after = Life(life.disk, life.workspace, boot_id="boot-2")
    async with after.lived(go=False):
        await after.woken_by("cron:b")
        await trio.sleep(5)
        assert [turn.run_id for turn in after.beats] == [life.beats[0].run_id]
        after.world.go.set()
        await trio.sleep(2)
        assert len(after.beats) == 2
        assert after.world.most_at_once == 1
        assert [row.outbound.text for row in await after.sent()] == ["It rains."]


async def test_what_was_due_while_nothing_ran_comes_a_minute_after_the_start(
    autojump_clock: MockClock, life: Life
) -> None:
    async with life.lived():
        await trio.sleep(HOUR + 1)
    await trio.sleep(10 * HOUR)
    after = Life(life.disk, life.workspace, boot_id="boot-2")
    async with after.lived():
        await trio.sleep(MINUTE - 1)
        assert after.beats == []
        await trio.sleep(2)
        assert len(after.beats) == 1


async def test_a_restart_neither_brings_a_beat_forward_nor_puts_it_off(autojump_clock: MockClock, life: Life) -> None:
    async with life.lived():
        await trio.sleep(HOUR + 0.5)
        assert len(life.beats) == 1
    await trio.sleep(10)
    after = Life(life.disk, life.workspace, boot_id="boot-2")
    async with after.lived():
        await trio.sleep(HOUR - 20)
        assert after.beats == []
        await trio.sleep(20)
        assert len(after.beats) == 1


async def test_nothing_begins_in_a_drain(autojump_clock: MockClock, life: Life) -> None:
    async with life.lived():
        await life.world.sessions.drain()
        await life.woken_by("cron:a")
        await trio.sleep(3 * HOUR)
        assert life.beats == []


async def test_a_storage_that_fails_holds_it_up_and_no_more(autojump_clock: MockClock, life: Life) -> None:
    async with life.lived():
        life.disk.full = True
        await trio.sleep(HOUR + 10)
        assert life.beats == []
        life.disk.full = False
        await life.woken_by("cron:a")
        await trio.sleep(2 * MINUTE)
        assert len(life.beats) == 1


async def test_what_woke_a_process_that_died_before_the_beat_wakes_the_next_one(
    autojump_clock: MockClock, life: Life
) -> None:
    async with life.lived(go=False):
        await life.world.accept("talk", MAIN)
        await life.heart.wake("back from lunch")
        await life.woken_by("cron:a")
        await trio.sleep(10)
        assert life.beats == []
    after = Life(life.disk, life.workspace, boot_id="boot-2")
    async with after.lived():
        await trio.sleep(3)
        (beat,) = after.beats
        assert "Woken by: back from lunch, cron:a\n" in f"{beat.inbound.text}\n"
        await trio.sleep(HOUR / 2)
        assert len(after.beats) == 1


async def test_a_wake_that_cannot_be_stored_is_refused(autojump_clock: MockClock, life: Life) -> None:
    async with life.lived():
        life.disk.full = True
        with pytest.raises(StorageError):
            await life.heart.wake("trigger")


async def test_a_beat_that_cannot_be_stored_comes_when_it_can(autojump_clock: MockClock, life: Life) -> None:
    async with life.lived():
        await life.heart.wake("trigger")
        life.disk.full = True
        await trio.sleep(10)
        life.disk.full = False
        await trio.sleep(MINUTE)
        assert ["Woken by: trigger" in beat.inbound.text for beat in life.beats] == [True]


async def test_a_fault_of_the_heart_ends_nothing_else_and_the_beat_comes_later(
    autojump_clock: MockClock, life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = iter([ZeroDivisionError("by zero")])

    def text(*_: object) -> str:
        if (fault := next(faults, None)) is not None:
            raise fault
        return "Look."

    monkeypatch.setattr("xopc.core.heartbeat.heart.told_to_agent", text)
    async with life.lived():
        await life.heart.wake("trigger")
        await trio.sleep(10)
        assert [beat.inbound.text for beat in life.beats] == ["Look."]


# ------------------------------------------------------------ there is no beat


async def test_without_a_model_nobody_is_bothered(autojump_clock: MockClock, life: Life) -> None:
    life.has_model = False
    async with life.lived():
        await life.heart.wake("trigger")
        await trio.sleep(3 * HOUR)
        assert life.beats == []
        assert await life.skipped() == NO_MODEL


async def test_a_file_without_tasks_asks_for_nothing(autojump_clock: MockClock, life: Life) -> None:
    life.workspace.mkdir()
    (life.workspace / "HEARTBEAT.md").write_text("# Tasks\n\n- \n")
    async with life.lived():
        await life.heart.wake("trigger")
        await trio.sleep(1)
        assert life.beats == []
        assert await life.skipped() == NO_TASKS
        (life.workspace / "HEARTBEAT.md").write_text("# Tasks\n\n- Look at the sky.\n")
        await trio.sleep(HOUR + 1)
        assert len(life.beats) == 1
        assert await life.skipped() is None


async def test_a_file_that_cannot_be_read_is_told_as_the_reason(autojump_clock: MockClock, life: Life) -> None:
    (life.workspace / "HEARTBEAT.md").mkdir(parents=True)
    async with life.lived():
        await life.woken_by("cron:a")
        await trio.sleep(1)
        assert await life.skipped() == "HEARTBEAT.md is no file."


async def test_without_file_and_target_there_is_a_beat_by_hand_alone(autojump_clock: MockClock, life: Life) -> None:
    life.settings = HeartbeatSettings(interval_ms=int(HOUR * 1000), target="telegram", target_chat_id=" ")
    async with life.lived():
        await life.woken_by("cron:a")
        await trio.sleep(3 * HOUR)
        assert life.beats == []
        assert await life.skipped() == NOBODY_HEARS
        await life.heart.wake("trigger")
        await trio.sleep(1)
        assert len(life.beats) == 1


@pytest.mark.parametrize(("channel", "account"), [("telegarm", None), ("telegram", "work")])
async def test_a_target_that_is_not_there_is_told_and_no_model_asked(
    autojump_clock: MockClock, life: Life, channel: str, account: str | None
) -> None:
    life.settings = HeartbeatSettings(target=channel, target_chat_id="7", target_account_id=account)
    async with life.lived():
        await life.heart.wake("trigger")
        await trio.sleep(1)
        assert life.beats == []
        assert await life.skipped() == NO_TARGET.format(account=account or "default", channel=channel)


async def test_outside_of_the_active_hours_it_sleeps_and_beats_when_they_begin(
    autojump_clock: MockClock, life: Life
) -> None:
    begin = now().hour + 3
    hours = ActiveHours(f"{begin % 24:02}:00", f"{(begin + 4) % 24:02}:00", "UTC")
    life.settings = HeartbeatSettings(
        interval_ms=int(HOUR * 1000), target="telegram", target_chat_id="7", active_hours=hours
    )
    until_they_begin = HOUR * 3 - now().minute * MINUTE - now().second
    async with life.lived():
        await life.woken_by("cron:a")
        await trio.sleep(1)
        assert await life.skipped() == ASLEEP
        await trio.sleep(until_they_begin - 2)
        assert life.beats == []
        await trio.sleep(2 * MINUTE)
        assert len(life.beats) == 1
        await trio.sleep(12 * HOUR)
        assert len(life.beats) == 4


async def test_a_change_of_the_settings_takes_effect_at_once(autojump_clock: MockClock, life: Life) -> None:
    life.settings = HeartbeatSettings(enabled=False)
    async with life.lived():
        await life.woken_by("cron:a")
        await trio.sleep(48 * HOUR)
        assert await life.skipped() == DISABLED
        assert (await life.heart.pulse()).next_at is None
        life.settings = TELLING
        life.heart.look()
        await trio.sleep(1)
        assert len(life.beats) == 1
