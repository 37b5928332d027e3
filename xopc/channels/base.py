"""What a channel is. The whole interface on one screen; `registry.py` lists the channels that there are.

Life of a channel: made → `init` (no connections) → `run_account` for each account (connects, reads, until it is
cancelled) while `send` carries answers out → `close`. Answers still go out when the accounts have stopped: a drain
takes nothing in, but ends what it began.

What only some channels have, they declare beside it: `core.pacing.Paced`, how often their platform may be asked, and
`core.delivery.Idempotent`, that it shows a part once which it is sent twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import trio
from attrs import frozen

from xopc.contracts.messages import Delivery, Inbound, Outbound
from xopc.storage.path.base import Cursor

Accept = Callable[[Sequence[Inbound], Cursor | None], Awaitable[None]]
"""Store what came in, and how far was read, in one commit. Only when it returns may the platform be told."""
OnConnected = Callable[[str, str], None]
"""An account of a channel reaches its platform, or does so again: what waits to be sent by it is tried at once."""
ReadCursor = Callable[[str, str], Awaitable[str | None]]
"""Where an account of a channel has to read on."""


@frozen
class Context:
    """What a channel gets from the gateway."""

    accept: Accept
    read_cursor: ReadCursor
    on_connected: OnConnected | None = None


@frozen
class AccountStatus:
    """How an account of a channel is."""

    account: str
    enabled: bool
    connected: bool
    error: str | None = None
    """What is wrong, and what to do."""


class ChannelError(Exception):
    """An account cannot go on as it is, and trying again would not help: a wrong token, say. The message says what
    to do."""


class Channel(Protocol):
    """One kind of chat channel, with all its accounts."""

    @property
    def id(self) -> str:
        """Equal to its key under `channels`."""
        ...

    @property
    def is_deferred(self) -> bool:
        """Whether it connects outwards, and so waits until the gateway listens."""
        ...

    def accounts(self) -> tuple[str, ...]:
        """The enabled accounts."""
        ...

    async def init(self, context: Context) -> None:
        """Prepare; no connection is opened."""
        ...

    async def run_account(self, account: str, *, task_status: trio.TaskStatus[None]) -> None:
        """Connect, report started, and take messages in until cancelled.

        Raises:
            ChannelError: this account is to be left alone until the configuration changes.
            Exception: anything else: it is run again after a pause.
        """
        ...

    def split(self, outbound: Outbound) -> tuple[str, ...]:
        """The texts of the parts that the message is sent in; the same for the same message, always."""
        ...

    async def send(self, outbound: Outbound, text: str, *, part: int) -> Delivery:
        """Send one part (0 is the first) of a message. Never raises but when cancelled; bounded in time.

        For an account that is disabled or not set up it is a `Retry` that is `until_changed`.
        """
        ...

    async def close(self) -> None:
        """Close the connections that are left, in a second at most. Nothing is sent after it."""
        ...

    def status(self) -> tuple[AccountStatus, ...]:
        """Each account, the disabled ones too."""
        ...


def default_account(channel: Channel | None) -> str:
    """The account that sends where none is named: `default`, or else the first enabled one."""
    accounts = channel.accounts() if channel else ()
    return accounts[0] if accounts and "default" not in accounts else "default"
