"""Two phases, as channels of a test see them; with real ones: test_generation.py."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import define, field
from structlog.testing import capture_logs

from xopc.channels.accounts import Accounts
from xopc.channels.base import AccountStatus, Context
from xopc.channels.startup import PHASE_1_MESSAGE, PHASE_2_MESSAGE
from xopc.contracts.messages import Delivery, Inbound, Outbound, Sent
from xopc.contracts.settings.file import GatewaySettings
from xopc.core.tasks import Node, open_branch
from xopc.gateway.connecting import Connecting
from xopc.storage.path.base import Cursor


@define(eq=False)
class World:
    """What happened, in order."""

    happened: list[str] = field(factory=list[str])
    connecting: Connecting = field(init=False)

    async def begin_sending(self) -> None:
        await trio.lowlevel.checkpoint()
        self.happened.append("sending")


@define(eq=False)
class Line:
    """A channel with one account, which connects after so many seconds."""

    id: str
    world: World
    is_deferred: bool = False
    connect_seconds: float = 0.0

    def accounts(self) -> tuple[str, ...]:
        return ("default",)

    async def init(self, context: Context) -> None:
        await trio.lowlevel.checkpoint()

    async def run_account(self, account: str, *, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(self.connect_seconds)
        self.world.happened.append(self.id)
        task_status.started()
        await trio.sleep_forever()

    def split(self, outbound: Outbound) -> tuple[str, ...]:
        return (outbound.text,)

    async def send(self, outbound: Outbound, text: str, *, part: int) -> Delivery:
        return Sent()

    async def close(self) -> None: ...

    def status(self) -> tuple[AccountStatus, ...]:
        return ()


async def accept(inbounds: Sequence[Inbound], cursor: Cursor | None) -> None:
    raise AssertionError("these channels take nothing in")


async def read_cursor(channel: str, account: str) -> str | None:
    raise AssertionError("these channels take nothing in")


@asynccontextmanager
async def begun(world: World, *channels: Line) -> AsyncGenerator[World]:
    """The first phase is over."""
    accounts = Accounts(channels, Context(accept, read_cursor))
    async with open_branch(Node("channels")) as branch:
        world.connecting = Connecting(accounts, {line.id: line for line in channels}, GatewaySettings(), branch)
        await world.connecting.begin(5)
        await world.connecting.end_phase_1(world.begin_sending)
        yield world
        world.connecting.stop()


async def test_what_waits_connects_in_the_second_phase_and_then_the_outbox_sends(
    autojump_clock: trio.abc.Clock,
) -> None:
    world = World()
    with capture_logs() as logs:
        async with begun(world, Line("here", world), Line("far", world, is_deferred=True, connect_seconds=3)):
            assert world.happened == ["here"]
            assert await world.connecting.phase_2(world.begin_sending)
    assert world.happened == ["here", "far", "sending"]
    first, second = logs
    assert (first["event"], first["deferredChannelIds"]) == (PHASE_1_MESSAGE, ["far"])
    assert (second["event"], second["channelPhase2DeferredMs"]) == (PHASE_2_MESSAGE, 3000)


async def test_where_nothing_waits_the_outbox_sends_from_the_first_phase_on(autojump_clock: trio.abc.Clock) -> None:
    world = World()
    async with begun(world, Line("here", world)):
        assert world.happened == ["here", "sending"]
        assert await world.connecting.phase_2(world.begin_sending)
    assert world.happened == ["here", "sending"]


async def test_one_that_does_not_connect_holds_up_the_answers_of_the_others_for_seconds_only(
    autojump_clock: trio.abc.Clock,
) -> None:
    world, began = World(), trio.current_time()
    async with begun(world, Line("dead", world, is_deferred=True, connect_seconds=3600)):
        assert await world.connecting.phase_2(world.begin_sending)
        assert world.happened == ["sending"]
        assert trio.current_time() - began <= 5


async def test_a_drain_ends_the_second_phase_and_nothing_is_sent_any_more(autojump_clock: trio.abc.Clock) -> None:
    world = World()
    async with begun(world, Line("far", world, is_deferred=True, connect_seconds=3)), trio.open_nursery() as nursery:

        async def go_on() -> None:
            assert not await world.connecting.phase_2(world.begin_sending)

        nursery.start_soon(go_on)
        await trio.sleep(1)
        world.connecting.stop()
    assert world.happened == []


async def test_an_outbox_that_cannot_begin_is_told_with_the_phase_that_it_ends(autojump_clock: trio.abc.Clock) -> None:
    world = World()

    async def fail() -> None:
        raise OSError("an invented error")

    with capture_logs() as logs:
        async with begun(world, Line("far", world, is_deferred=True)):
            with pytest.raises(OSError, match="an invented error"):
                await world.connecting.phase_2(fail)
    assert (logs[-1]["log_level"], logs[-1]["errorMessage"]) == ("error", "an invented error")
