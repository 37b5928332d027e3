from __future__ import annotations

import pytest
from attrs import evolve

from tests.fakes.telegram_server import TOKEN, BotApi, serving
from xopc.channels.base import ChannelError
from xopc.channels.telegram.accounts import Bot, resolve_bots
from xopc.channels.telegram.probe import probe
from xopc.contracts.settings.channels import TelegramSettings


def bot_of(bot_api: BotApi, token: str = TOKEN) -> Bot:
    return resolve_bots(TelegramSettings(bot_token=token, api_root=bot_api.root))[0]


async def test_the_bot_says_its_name_and_no_message_is_taken_from_it() -> None:
    async with serving() as bot_api:
        assert await probe(bot_of(bot_api), 10) == "@example_bot"
        assert [call.method for call in bot_api.calls] == ["getMe"]


async def test_a_token_that_is_refused_or_can_be_none_is_told_without_it() -> None:
    async with serving() as bot_api:
        with pytest.raises(ChannelError, match="Telegram says 401") as caught:
            await probe(bot_of(bot_api, "654321:another"), 10)
        assert "654321" not in str(caught.value)
        with pytest.raises(ChannelError, match="botToken does not hold a token"):
            await probe(bot_of(bot_api, "no token"), 10)


async def test_a_file_that_cannot_be_read_is_told() -> None:
    async with serving() as bot_api:
        bot = evolve(bot_of(bot_api), token=None, token_file="/nonexistent/token")
        with pytest.raises(ChannelError, match="No such file"):
            await probe(bot, 10)


async def test_silence_has_an_end() -> None:
    async with serving() as bot_api:
        bot_api.fail("getMe", delay=30)
        with pytest.raises(ChannelError, match="Telegram did not answer within"):
            await probe(bot_of(bot_api), 0.3)
