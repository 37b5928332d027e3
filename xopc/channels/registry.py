"""All channels that there are: a new one is added here, and nowhere else."""

from __future__ import annotations

from xopc.channels.base import Channel
from xopc.channels.telegram.channel import Telegram
from xopc.channels.webchat import Webchat
from xopc.contracts.settings.file import Settings


def make_channels(settings: Settings) -> tuple[Channel, ...]:
    """The channels, in the order that they are prepared and started in; those without an enabled account too."""
    return (Webchat(), Telegram(settings.channels.telegram))
