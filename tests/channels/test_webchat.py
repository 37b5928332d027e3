from __future__ import annotations

import trio

from xopc.channels.base import Channel
from xopc.channels.webchat import Webchat
from xopc.contracts.messages import Address, Outbound, Sent


async def test_webchat_is_connected_as_soon_as_it_runs() -> None:
    channel: Channel = Webchat()
    assert not channel.is_deferred
    assert channel.accounts() == ("default",)
    async with trio.open_nursery() as nursery:
        await nursery.start(channel.run_account, "default")
        assert [(status.account, status.connected) for status in channel.status()] == [("default", True)]
        nursery.cancel_scope.cancel()


async def test_what_goes_out_is_sent_at_once_and_whole() -> None:
    channel: Channel = Webchat()
    outbound = Outbound(Address("webchat", "default", "chat_1"), "word " * 10_000)
    assert channel.split(outbound) == (outbound.text,)
    assert await channel.send(outbound, outbound.text, part=0) == Sent()
    await channel.close()
