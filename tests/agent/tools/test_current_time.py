from __future__ import annotations

from datetime import UTC, datetime

import pytest
import trio

from xopc.agent.tools.base import ToolContext, ToolError
from xopc.agent.tools.current_time import CurrentTime
from xopc.contracts.errors import InvalidValueError


async def _no_session() -> None:
    await trio.lowlevel.checkpoint()


NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
CONTEXT = ToolContext("main:cli:default:direct:x", "main", "fake/m", lambda: NOON, _no_session)


async def test_it_tells_day_time_and_zone() -> None:
    assert await CurrentTime().run({}, CONTEXT) == "Wednesday, 2026-07-01T12:00:00+00:00 (UTC)"


async def test_it_tells_the_time_elsewhere() -> None:
    assert await CurrentTime().run({"timezone": "Europe/Paris"}, CONTEXT) == (
        "Wednesday, 2026-07-01T14:00:00+02:00 (CEST)"
    )


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "/etc/passwd", "Europe", "a\0b"])
async def test_a_zone_that_is_not_there_is_told(zone: str) -> None:
    with pytest.raises(ToolError, match="use an IANA name, such as Europe/Paris"):
        await CurrentTime().run({"timezone": zone}, CONTEXT)


async def test_an_argument_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="unknown key"):
        await CurrentTime().run({"timeZone": "Europe/Paris"}, CONTEXT)
