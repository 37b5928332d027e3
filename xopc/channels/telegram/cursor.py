"""How far the updates of a bot were read, as it is kept between processes."""

from __future__ import annotations

import json
from typing import cast

from attrs import frozen

KEPT_SECONDS = 6 * 24 * 3600
"""After a week without updates Telegram goes on with a random number. An offset from before might be above it, and
would confirm what was never read. Telegram keeps updates for a day, and the inbox their keys for longer, so that
reading from the beginning loses nothing and doubles nothing."""


@frozen
class Position:
    """Where to read on."""

    offset: int
    """Of the next update."""
    learnt_at: int
    """Seconds since the epoch."""

    def is_fresh(self, now: float) -> bool:
        """Whether it may still be used."""
        return abs(now - self.learnt_at) < KEPT_SECONDS


def write_position(bot_id: int, position: Position) -> str:
    """The cursor for a bot's position."""
    return json.dumps({"bot": bot_id, "offset": position.offset, "at": position.learnt_at})


def read_position(cursor: str | None, bot_id: int) -> Position | None:
    """The position in a cursor; None, the beginning, where it holds none, or another bot's."""
    try:
        value = cast("object", json.loads(cursor or "null"))
    except ValueError:
        return None
    match value:
        case {"bot": int(bot), "offset": int(offset), "at": int(at)} if bot == bot_id:
            return Position(offset, at)
        case _:
            return None
