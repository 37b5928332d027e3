from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from attrs import define, field

from xopc.channels.accounts import Accounts
from xopc.channels.base import AccountStatus, ChannelError, Context
from xopc.contracts.api.status import TaskState
from xopc.contracts.messages import Delivery, Inbound, Outbound, Sent
from xopc.core.tasks import Branch, Node, open_branch
from xopc.storage.path.base import Cursor

Behaviour = Callable[[int], Exception | None]
"""What happens in the n-th run (from 1) before it connects; None lets it connect."""


@define(eq=False)
class FakeChannel:
    """A channel whose accounts do what the test says."""

    id: str = "fake"
    names: tuple[str, ...] = ("default",)
    before: Behaviour = lambda _: None
    lasts: Callable[[int], float] = lambda _: float("inf")
    """Seconds that the n-th run is connected; then it fails."""
    init_error: Exception | None = None
    connect_seconds: float = 0.0
    is_deferred: bool = False
    runs: list[float] = field(factory=list[float])
    """When each began."""
    closed: bool = False
    close_seconds: float = 0.0

    def accounts(self) -> tuple[str, ...]:
        return self.names

    async def init(self, context: Context) -> None:
        await trio.lowlevel.checkpoint()
        if self.init_error:
            raise self.init_error

    async def run_account(self, account: str, *, task_status: trio.TaskStatus[None]) -> None:
        self.runs.append(trio.current_time())
        number = len(self.runs)
        await trio.sleep(self.connect_seconds)
        if error := self.before(number):
            raise error
        task_status.started()
        await trio.sleep(self.lasts(number))
        raise ConnectionError("lost")

    def split(self, outbound: Outbound) -> tuple[str, ...]:
        return (outbound.text,)

    async def send(self, outbound: Outbound, text: str, *, part: int) -> Delivery:
        return Sent()

    async def close(self) -> None:
        await trio.sleep(self.close_seconds)
        if self.close_seconds < 0.5:
            self.closed = True
        raise OSError("closing fails, and nothing comes of it")

    def status(self) -> tuple[AccountStatus, ...]:
        return tuple(AccountStatus(name, enabled=True, connected=True) for name in self.names)


async def accept(inbounds: Sequence[Inbound], cursor: Cursor | None) -> None:
    raise AssertionError("these channels take nothing in")


async def read_cursor(channel: str, account: str) -> str | None:
    raise AssertionError("these channels take nothing in")


@asynccontextmanager
async def started(*channels: FakeChannel, cap_seconds: float = 5) -> AsyncGenerator[tuple[Accounts, Branch]]:
    accounts = Accounts(channels, Context(accept, read_cursor))
    await accounts.init()
    async with open_branch(Node("channels")) as branch:
        await accounts.start(branch, [channel.id for channel in channels], cap_seconds=cap_seconds)
        yield accounts, branch
        branch.cancel()


async def test_accounts_are_tasks_of_the_tree(autojump_clock: trio.abc.Clock) -> None:
    async with started(FakeChannel(names=("a", "b"))) as (accounts, branch):
        assert [(node.name, node.state) for node in branch.node.children] == [
            ("fake:a", TaskState.RUNNING),
            ("fake:b", TaskState.RUNNING),
        ]
        assert [status.connected for status in accounts.status()[0].accounts] == [True, True]
    assert branch.node.children == []


async def test_a_channel_that_is_not_asked_for_is_not_started(autojump_clock: trio.abc.Clock) -> None:
    channel = FakeChannel()
    async with open_branch(Node("channels")) as branch:
        await Accounts([channel], Context(accept, read_cursor)).start(branch, ["other"], cap_seconds=5)
        assert branch.node.children == []
        branch.cancel()


async def test_start_waits_for_the_connection_of_all_at_the_same_time(autojump_clock: trio.abc.Clock) -> None:
    began = trio.current_time()
    async with started(FakeChannel("a", connect_seconds=2), FakeChannel("b", connect_seconds=3)):
        assert trio.current_time() - began == pytest.approx(3)


async def test_a_slow_account_goes_on_in_the_background(autojump_clock: trio.abc.Clock) -> None:
    began = trio.current_time()
    async with started(FakeChannel(connect_seconds=8)) as (_, branch):
        assert trio.current_time() - began == pytest.approx(5)
        assert branch.node.children[0].state is TaskState.STARTING
        await trio.sleep(4)
        assert branch.node.children[0].state is TaskState.RUNNING


async def test_whenever_an_account_has_connected_that_is_told(autojump_clock: trio.abc.Clock) -> None:
    told: list[tuple[str, str, float]] = []

    def tell(channel: str, account: str) -> None:
        told.append((channel, account, round(trio.current_time())))

    failing = FakeChannel(
        before=lambda number: OSError("no network") if number == 1 else None,
        lasts=lambda number: 100 if number == 2 else float("inf"),
    )
    accounts = Accounts([failing], Context(accept, read_cursor, tell))
    async with open_branch(Node("channels")) as branch:
        await accounts.start(branch, ["fake"], cap_seconds=5)
        assert told == []
        await trio.sleep(200)
        branch.cancel()
    assert told == [("fake", "default", 1), ("fake", "default", 102)]


async def test_start_does_not_wait_for_an_account_that_failed(autojump_clock: trio.abc.Clock) -> None:
    began = trio.current_time()
    async with started(FakeChannel(before=lambda _: OSError("no network"))) as (accounts, branch):
        assert trio.current_time() - began < 0.5
        status = accounts.status()[0].accounts[0]
        assert (status.connected, status.error) == (False, "OSError: no network")
        assert branch.node.children[0].state is TaskState.BACKING_OFF


async def test_a_failing_account_is_run_again_with_growing_pauses(autojump_clock: trio.abc.Clock) -> None:
    failing = FakeChannel("failing", before=lambda number: OSError("no network") if number < 9 else None)
    healthy = FakeChannel("healthy")
    async with started(failing, healthy) as (accounts, branch):
        await trio.sleep(300)
        pauses = [later - sooner for sooner, later in zip(failing.runs, failing.runs[1:], strict=False)]
        assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60], rel=0.11)
        assert len(healthy.runs) == 1
        node = branch.node.children[0]
        assert (node.state, node.restarts, node.last_error) == (TaskState.RUNNING, 8, None)
        assert accounts.status()[0].accounts[0].error is None


async def test_an_account_that_ran_well_begins_with_short_pauses_again(autojump_clock: trio.abc.Clock) -> None:
    channel = FakeChannel(
        before=lambda number: OSError("no network") if number < 6 else None,
        lasts=lambda number: 100 if number == 6 else float("inf"),
    )
    async with started(channel):
        await trio.sleep(400)
        assert len(channel.runs) == 7
        assert channel.runs[6] - channel.runs[5] == pytest.approx(101, abs=0.2)


async def test_an_account_is_left_alone_where_trying_again_would_not_help(autojump_clock: trio.abc.Clock) -> None:
    channel = FakeChannel(before=lambda _: ChannelError("set botToken"))
    async with started(channel) as (accounts, branch):
        await trio.sleep(3600)
        assert len(channel.runs) == 1
        assert branch.node.children[0].state is TaskState.FAILED
        assert accounts.status()[0].accounts[0].error == "set botToken"


async def test_a_channel_that_cannot_be_prepared_leaves_the_others_alone(autojump_clock: trio.abc.Clock) -> None:
    broken, healthy = FakeChannel("broken", init_error=ValueError("no")), FakeChannel("healthy")
    async with started(broken, healthy) as (accounts, _):
        assert [status.error for status in accounts.status()] == ["ValueError: no", None]
        assert (broken.runs, len(healthy.runs)) == ([], 1)


async def test_closing_is_bounded_and_closes_all(autojump_clock: trio.abc.Clock) -> None:
    stuck, healthy = FakeChannel("stuck", close_seconds=100), FakeChannel("healthy")
    async with started(stuck, healthy) as (accounts, branch):
        branch.cancel()
        began = trio.current_time()
        await accounts.close()
        assert trio.current_time() - began == pytest.approx(1)
        assert (stuck.closed, healthy.closed) == (False, True)


async def test_a_replaced_channel_ends_before_the_next_one_begins_and_the_others_go_on(
    autojump_clock: trio.abc.Clock,
) -> None:
    other, old, new = FakeChannel("other"), FakeChannel("chat", names=("a", "b")), FakeChannel("chat", names=("b",))
    async with started(other, old) as (accounts, branch):
        await trio.sleep(10)
        began = trio.current_time()
        assert await accounts.replace(branch, new) is old
        await trio.testing.wait_all_tasks_blocked()
        assert [node.name for node in branch.node.children] == ["other:default", "chat:b"]
        assert new.runs == [began]
        assert len(other.runs) == 1
        assert [status.id for status in accounts.status()] == ["other", "chat"]


async def test_a_channel_that_waits_to_connect_can_be_replaced(autojump_clock: trio.abc.Clock) -> None:
    slow, new = FakeChannel("chat", connect_seconds=100), FakeChannel("chat")
    accounts = Accounts([slow], Context(accept, read_cursor))
    await accounts.init()
    async with open_branch(Node("channels")) as branch, trio.open_nursery() as nursery:
        started_at: list[float] = []

        async def start() -> None:
            await accounts.start(branch, ["chat"], cap_seconds=30)
            started_at.append(trio.current_time())

        nursery.start_soon(start)
        await trio.sleep(2)
        now = trio.current_time()
        await accounts.replace(branch, new)
        await trio.sleep(10)
        # Whoever waited for the one before waits no longer.
        assert started_at == [now]
        assert accounts.status()[0].accounts[0].error is None
        branch.cancel()


async def test_a_channel_that_is_replaced_before_its_turn_came_runs_once(autojump_clock: trio.abc.Clock) -> None:
    new = FakeChannel("chat")
    accounts = Accounts([FakeChannel("chat")], Context(accept, read_cursor))
    await accounts.init()
    async with open_branch(Node("channels")) as branch:
        await accounts.replace(branch, new)
        await accounts.start(branch, ["chat"], cap_seconds=5)
        await trio.testing.wait_all_tasks_blocked()
        assert len(new.runs) == 1
        branch.cancel()


async def test_a_broken_channel_is_mended_by_one_in_its_place(autojump_clock: trio.abc.Clock) -> None:
    async with started(FakeChannel("chat", init_error=ValueError("no"))) as (accounts, branch):
        new = FakeChannel("chat")
        await accounts.replace(branch, new)
        await trio.testing.wait_all_tasks_blocked()
        assert accounts.status()[0].error is None
        assert len(new.runs) == 1


async def test_a_replaced_channel_is_closed_when_it_retires_or_with_all_others(autojump_clock: trio.abc.Clock) -> None:
    first, second, third = FakeChannel("chat"), FakeChannel("chat"), FakeChannel("chat")
    async with started(first) as (accounts, branch):
        await accounts.retire(await accounts.replace(branch, second))
        assert (first.closed, second.closed) == (True, False)
        await accounts.replace(branch, third)
        first.closed = False
        await accounts.close()
        assert (first.closed, second.closed, third.closed) == (False, True, True)
