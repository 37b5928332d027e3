"""The gateway's own channel: the console, and whoever talks to the API. Always there, without a connection."""

from __future__ import annotations

import trio

from xopc.channels.base import AccountStatus, Context
from xopc.contracts.messages import Delivery, Outbound, Sent

ACCOUNT = "default"


class Webchat:
    """Messages come in by the API itself. What goes out is in the transcript and among the events before it is sent."""

    id = "webchat"
    is_deferred = False
    is_idempotent = True

    def accounts(self) -> tuple[str, ...]:
        return (ACCOUNT,)

    async def init(self, context: Context) -> None:
        """Nothing to prepare."""

    async def run_account(self, account: str, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep_forever()

    def split(self, outbound: Outbound) -> tuple[str, ...]:
        return (outbound.text,)

    async def send(self, outbound: Outbound, text: str, *, part: int) -> Delivery:
        return Sent()

    async def close(self) -> None:
        """Nothing to end."""

    def status(self) -> tuple[AccountStatus, ...]:
        return (AccountStatus(ACCOUNT, enabled=True, connected=True),)
