"""The real gateway process on a clock that somebody sets while it runs.

`CLOCK_OFFSET` names a file that holds by how many seconds the clock is wrong. The monotonic clock is right.
"""

import datetime as dt
import os
import sys
import time
from pathlib import Path

OFFSET = Path(os.environ["CLOCK_OFFSET"])
right_time = time.time


def wrong_time() -> float:
    return right_time() + float(OFFSET.read_text())


class WrongDatetime(dt.datetime):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
        return cls.fromtimestamp(wrong_time(), tz)


time.time = wrong_time
dt.datetime = WrongDatetime  # type: ignore[misc] # whoever imports it from here on

from xopc.gateway.main import main  # noqa: E402 - the clock is wrong before anybody looks at it

sys.exit(main())
