from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio

from tests.fakes.telegram_server import TOKEN, BotApi, serving
from xopc.channels.access import Policy
from xopc.channels.base import ChannelError, Context
from xopc.channels.telegram.api import Api, open_api
from xopc.channels.telegram.cursor import KEPT_SECONDS, Position, read_position, write_position
from xopc.channels.telegram.polling import Health, connect, poll
from xopc.channels.telegram.updates import BotIdentity
from xopc.contracts.messages import Inbound
from xopc.contracts.settings.channels import DmPolicy
from xopc.storage.path.base import Cursor

POLICY = Policy(dm=DmPolicy.OPEN)
BOT = BotIdentity("default", 123456, "example_bot")


class Inbox:
    """Takes messages in, and gives them to the test one by one."""

    def __init__(self, cursor: str | None = None) -> None:
        self.cursor = cursor
        self._send, self._receive = trio.open_memory_channel[Inbound](100)

    async def accept(self, inbounds: Sequence[Inbound], cursor: Cursor | None) -> None:
        for inbound in inbounds:
            await self._send.send(inbound)
        self.cursor = cursor and cursor.value

    async def read_cursor(self, channel: str, account: str) -> str | None:
        await trio.lowlevel.checkpoint()
        assert (channel, account) == ("telegram", "default")
        return self.cursor

    async def next_text(self) -> str:
        with trio.fail_after(20):
            return (await self._receive.receive()).text


@pytest.fixture
async def bot_api() -> AsyncGenerator[BotApi]:
    async with serving() as bot_api:
        yield bot_api


@pytest.fixture
async def api(bot_api: BotApi) -> AsyncGenerator[Api]:
    api = await open_api(bot_api.root, TOKEN)
    yield api
    await api.aclose()


@asynccontextmanager
async def polling(api: Api, inbox: Inbox) -> AsyncGenerator[Health]:
    health = Health("default")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poll, api, BOT, POLICY, Context(inbox.accept, inbox.read_cursor), health)
        yield health
        nursery.cancel_scope.cancel()


async def until_failing(health: Health) -> str:
    with trio.fail_after(5):
        while health.error is None:  # noqa: ASYNC110  nothing announces it
            await trio.sleep(0.01)
    return health.error


async def test_connecting_learns_who_the_bot_is_and_takes_the_webhook_away(api: Api, bot_api: BotApi) -> None:
    bot_api.webhook = "https://example.com/hook"
    health = Health("default")
    assert await connect(api, health) == BOT
    assert (bot_api.webhook, health.connected) == ("", True)


@pytest.mark.parametrize("code", [401, 404])
async def test_a_token_that_telegram_does_not_know_is_not_tried_again(api: Api, bot_api: BotApi, code: int) -> None:
    bot_api.fail("getMe", status=code, description="no")
    with pytest.raises(ChannelError, match="set botToken"):
        await connect(api, Health("default"))


@pytest.mark.parametrize("fault", [{"status": 500}, {"cut": "before"}, {"status": 429}, {"body": '{"ok":true}'}])
async def test_a_fault_while_connecting_may_pass(api: Api, bot_api: BotApi, fault: dict[str, object]) -> None:
    bot_api.fail("getMe", **fault)
    with pytest.raises(ConnectionError):
        await connect(api, Health("default"))


async def test_the_cursor_moves_with_what_was_taken_in(api: Api, bot_api: BotApi) -> None:
    inbox = Inbox()
    async with polling(api, inbox):
        bot_api.receive(chat=7, text="one")
        assert await inbox.next_text() == "one"
        await bot_api.until(lambda: not bot_api.updates)
    position = read_position(inbox.cursor, BOT.id)
    assert position is not None
    assert position.offset == 1001


async def test_reading_goes_on_at_the_cursor(api: Api, bot_api: BotApi) -> None:
    bot_api.receive(chat=7, text="read before")
    bot_api.receive(chat=7, text="new")
    inbox = Inbox(write_position(BOT.id, Position(1001, round(time.time()))))
    async with polling(api, inbox):
        assert await inbox.next_text() == "new"


async def test_an_old_cursor_does_not_confirm_what_was_never_read(api: Api, bot_api: BotApi) -> None:
    bot_api.receive(chat=7, text="numbered anew")
    inbox = Inbox(write_position(BOT.id, Position(5000, round(time.time() - KEPT_SECONDS - 10))))
    async with polling(api, inbox):
        assert await inbox.next_text() == "numbered anew"


async def test_an_empty_poll_is_asked_again(api: Api, bot_api: BotApi, autojump_clock: trio.abc.Clock) -> None:
    async with polling(api, Inbox()):
        await bot_api.until(lambda: len(bot_api.called("getUpdates")) == 3)
    assert bot_api.called("getUpdates")[0] == {"timeout": 30, "allowed_updates": ["message"]}
    assert trio.current_time() >= 60


@pytest.mark.parametrize(
    ("fault", "seconds", "shown"),
    [
        ({"status": 500}, 1, "Telegram says 500"),
        ({"cut": "before"}, 1, "cannot be reached"),
        ({"status": 429, "parameters": {"retry_after": 7}}, 7, "Telegram says 429"),
        ({"status": 409}, 15, "Another program reads this bot's messages"),
    ],
)
async def test_a_fault_is_shown_and_waited_out(
    autojump_clock: trio.abc.Clock, fault: dict[str, object], seconds: float, shown: str
) -> None:
    async with serving() as bot_api:
        api = await open_api(bot_api.root, TOKEN)
        bot_api.fail("getUpdates", **fault)
        bot_api.receive(chat=7, text="one")
        inbox = Inbox()
        began = trio.current_time()
        async with polling(api, inbox) as health:
            assert shown in await until_failing(health)
            assert await inbox.next_text() == "one"
            assert trio.current_time() - began == pytest.approx(seconds, rel=0.11, abs=0.1)
            assert (health.connected, health.error) == (True, None)
        await api.aclose()


async def test_a_second_poller_is_a_conflict_that_is_shown(api: Api, bot_api: BotApi) -> None:
    async with polling(api, Inbox()) as health:
        await bot_api.until(lambda: bot_api.called("getUpdates"))
        async with polling(api, Inbox()):
            assert "Telegram says 409" in await until_failing(health)


async def test_a_token_that_is_revoked_ends_the_loop(api: Api, bot_api: BotApi) -> None:
    bot_api.fail("getUpdates", status=401, description="Unauthorized")
    inbox = Inbox()
    with pytest.raises(ChannelError, match="401"):
        await poll(api, BOT, POLICY, Context(inbox.accept, inbox.read_cursor), Health("default"))
