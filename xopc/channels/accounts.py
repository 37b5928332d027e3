"""Runs the accounts of all channels: each starts, fails and is started again alone.

accounts = Accounts(channels, context)
await accounts.init()
await accounts.start(branch, ids, cap_seconds=5)   # once for those of phase 1, once for those of phase 2
before = await accounts.replace(branch, channel)    # as often as its settings change; the caller retires `before`
branch.cancel()                                    # nothing more is taken in; sends go on
await accounts.close()
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

import structlog
import trio
from attrs import define, evolve, field, frozen

from xopc.channels.backoff import pause_seconds
from xopc.channels.base import AccountStatus, Channel, ChannelError, Context
from xopc.contracts.api.status import TaskState
from xopc.core.tasks import Branch, Node, describe

HEALTHY_SECONDS = 60
"""An account that ran so long begins again with short pauses."""
CLOSE_SECONDS = 1.0

log = structlog.get_logger("xopc.channels")


@frozen
class ChannelStatus:
    """How a channel is."""

    id: str
    accounts: tuple[AccountStatus, ...]
    error: str | None = None
    """Why none of its accounts can run."""


@define(eq=False)
class _Run:
    """An account that was started, as its channel sees it: a `trio.TaskStatus`."""

    node: Node
    on_connected: Callable[[], None] | None
    tried: trio.Event = field(factory=trio.Event)
    """It has connected, or failed to, once."""
    error: str | None = None
    """Why it does not run at the moment."""
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    ended: trio.Event = field(factory=trio.Event)

    def started(self, value: None = None) -> None:
        self.error = self.node.last_error = None
        self.node.become(TaskState.RUNNING)
        self.tried.set()
        if self.on_connected is not None:
            self.on_connected()

    def fail(self, state: TaskState, error: str) -> None:
        self.error = self.node.last_error = error
        self.node.become(state)
        self.tried.set()


class Accounts:
    """All channels of a generation, and their accounts. One that fails leaves the others alone."""

    def __init__(self, channels: Sequence[Channel], context: Context) -> None:
        self._channels = tuple(channels)
        self._retiring: tuple[Channel, ...] = ()
        """Those that were replaced and may have something to send still."""
        self._context = context
        self._broken: dict[str, str] = {}
        self._runs: dict[tuple[str, str], _Run] = {}

    async def init(self) -> None:
        """Prepare each channel. One that fails is told in the log and in `status`, and is not started."""
        for channel in self._channels:
            await self._init(channel)

    async def start(self, branch: Branch, ids: Collection[str], *, cap_seconds: float) -> None:
        """Start the accounts of these channels as tasks of `branch`, at the same time.

        Returns when each has connected or failed once, or after `cap_seconds`; they go on in any case, until the
        branch is cancelled.

        *Cancellation*: begins no further account. Whoever cancels the branch cancels this first.
        """
        runs: list[_Run] = []
        for channel in self._channels:
            if channel.id not in ids or channel.id in self._broken:
                continue
            for account in channel.accounts():
                if (channel.id, account) in self._runs:
                    continue  # it was replaced before its turn came, and runs already
                await trio.lowlevel.checkpoint_if_cancelled()  # a branch that has ended takes no task
                tell = self._context.on_connected
                on_connected = None if tell is None else partial(tell, channel.id, account)
                run = self._runs[channel.id, account] = await _start(branch, channel, account, on_connected)
                runs.append(run)
        with trio.move_on_after(cap_seconds):
            for run in runs:
                await run.tried.wait()

    async def replace(self, branch: Branch, channel: Channel) -> Channel:
        """Put a channel in the place of the one with its id, and return that one, whose accounts have ended.

        The new one's accounts are tasks of `branch`, and connect in the background. What was cut while it was taken
        in is taken in by them: nothing was acknowledged that was not stored.

        *Ownership*: the caller waits until nobody sends by the one before, and then hands it to `retire`.
        """
        before = next(known for known in self._channels if known.id == channel.id)
        await self._stop(channel.id)
        self._channels = tuple(channel if known is before else known for known in self._channels)
        self._retiring = (*self._retiring, before)
        self._broken.pop(channel.id, None)
        await self._init(channel)
        await self.start(branch, [channel.id], cap_seconds=0)
        return before

    async def retire(self, channel: Channel) -> None:
        """Close a channel that was replaced."""
        self._retiring = tuple(retiring for retiring in self._retiring if retiring is not channel)
        await _close(channel)

    def status(self) -> tuple[ChannelStatus, ...]:
        """Each channel with its accounts."""
        return tuple(
            ChannelStatus(
                id=channel.id,
                accounts=tuple(self._account_status(channel.id, status) for status in channel.status()),
                error=self._broken.get(channel.id),
            )
            for channel in self._channels
        )

    async def close(self) -> None:
        """Close what the channels have open. *Cancellation*: held off for a second at most."""
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            async with trio.open_nursery() as nursery:
                for channel in (*self._channels, *self._retiring):
                    nursery.start_soon(_close, channel)

    async def _init(self, channel: Channel) -> None:
        try:
            await channel.init(self._context)
        except Exception as error:
            self._broken[channel.id] = describe(error)
            log.exception("A channel cannot be prepared; the gateway goes on without it.", channel=channel.id)

    async def _stop(self, channel_id: str) -> None:
        """End the accounts of a channel."""
        runs = {key: run for key, run in self._runs.items() if key[0] == channel_id}
        for run in runs.values():
            run.scope.cancel()
        for key, run in runs.items():
            await run.ended.wait()
            del self._runs[key]

    def _account_status(self, channel_id: str, status: AccountStatus) -> AccountStatus:
        run = self._runs.get((channel_id, status.account))
        if run is None or run.error is None:
            return status
        return evolve(status, connected=False, error=run.error)


async def _start(branch: Branch, channel: Channel, account: str, on_connected: Callable[[], None] | None) -> _Run:
    """Start an account as a task of `branch`; returns at once, not when it has connected."""
    run, begin = _Run(Node(f"{channel.id}:{account}"), on_connected), trio.Event()

    async def keep_running(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        try:
            with run.scope:
                await begin.wait()  # the branch takes it for running once it is in the tree
                await _keep_running(channel, account, run)
        finally:
            run.tried.set()
            run.ended.set()

    await branch.start(run.node, keep_running)
    begin.set()
    return run


async def _keep_running(channel: Channel, account: str, run: _Run) -> None:
    """Run an account again and again; it ends by cancellation alone, also where trying again would not help."""
    failures = 0
    while True:
        run.node.become(TaskState.STARTING)
        began = trio.current_time()
        try:
            await channel.run_account(account, task_status=run)
            error: Exception = RuntimeError("it ended without having been told to")
        except ChannelError as cause:
            run.fail(TaskState.FAILED, str(cause))
            log.error(
                "A channel's account is left alone until its configuration changes, or the gateway restarts.",
                channel=channel.id,
                account=account,
                error=str(cause),
            )
            return await trio.sleep_forever()
        except Exception as cause:
            error = cause
        failures = 1 if trio.current_time() - began >= HEALTHY_SECONDS else failures + 1
        pause = pause_seconds(failures)
        run.fail(TaskState.BACKING_OFF, describe(error))
        log.error(
            "A channel's account failed; it is started again.",
            channel=channel.id,
            account=account,
            error=describe(error),
            after_seconds=round(pause, 1),
            # A network that fails needs no traceback, and nothing needs it twice.
            **({"exc_info": error} if failures == 1 and not isinstance(error, OSError) else {}),
        )
        await trio.sleep(pause)
        run.node.restarts += 1


async def _close(channel: Channel) -> None:
    try:
        await channel.close()
    except Exception:
        log.exception("A channel did not close well.", channel=channel.id)
