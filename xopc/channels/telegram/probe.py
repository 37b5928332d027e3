"""Asks Telegram who a bot is: whether its token is right, and Telegram can be reached from here."""

from __future__ import annotations

from typing import cast

import trio

from xopc.channels.base import ChannelError
from xopc.channels.telegram.accounts import Bot
from xopc.channels.telegram.api import ApiError, UnreachableError, open_api
from xopc.channels.telegram.channel import read_token

MAX_NAME_CHARS = 64


async def probe(bot: Bot, seconds: float) -> str:
    """The bot's name, such as `@example_bot`. Changes nothing, and takes no message from whoever polls it.

    Raises:
        ChannelError: why that is not known, in a sentence.
    """
    try:
        with trio.fail_after(seconds):
            api = await open_api(bot.api_root, await read_token(bot))
            try:
                answer = await api.call("getMe", {})
            finally:
                with trio.CancelScope(deadline=trio.current_time() + 1, shield=True):
                    await api.aclose()
    except trio.TooSlowError:
        raise ChannelError(f"Telegram did not answer within {seconds:g} s.") from None
    except (ApiError, UnreachableError, OSError) as error:
        raise ChannelError(str(error)) from None
    name = cast("dict[str, object]", answer).get("username") if isinstance(answer, dict) else None
    if not isinstance(name, str):
        raise ChannelError("What answers at apiRoot does not say which bot this is.")
    return f"@{name[:MAX_NAME_CHARS]}"
