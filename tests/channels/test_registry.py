from __future__ import annotations

from xopc.channels.registry import make_channels
from xopc.contracts.settings.channels import ChannelsSettings, TelegramSettings
from xopc.contracts.settings.file import Settings


def test_without_settings_there_is_webchat_and_a_telegram_without_accounts() -> None:
    assert [(channel.id, channel.accounts()) for channel in make_channels(Settings())] == [
        ("webchat", ("default",)),
        ("telegram", ()),
    ]


def test_a_token_makes_an_account() -> None:
    settings = Settings(channels=ChannelsSettings(telegram=TelegramSettings(bot_token="1:a")))
    assert make_channels(settings)[1].accounts() == ("default",)


def test_channels_that_connect_outwards_say_that_they_are_deferred() -> None:
    assert {channel.id: channel.is_deferred for channel in make_channels(Settings())} == {
        "webchat": False,
        "telegram": True,
    }
