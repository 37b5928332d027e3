from __future__ import annotations

from datetime import UTC, datetime

import pytest
import trio
from attrs import evolve

from xopc.agent.tools.base import ToolContext
from xopc.agent.tools.session_status import SessionStatus
from xopc.contracts.errors import InvalidValueError
from xopc.storage.path.sessions import SessionInfo

KEY = "main:cli:default:direct:x"


async def _session() -> SessionInfo:
    await trio.lowlevel.checkpoint()
    return SessionInfo(KEY, "main", "cli", "default", "direct", "x", None, 0.0, 0.0, 4, 120)


async def _no_session() -> None:
    await trio.lowlevel.checkpoint()


CONTEXT = ToolContext(KEY, "main", "fake/m", lambda: datetime(2026, 7, 1, 12, 0, tzinfo=UTC), _session)


async def test_it_tells_agent_model_session_length_and_time() -> None:
    assert await SessionStatus().run({}, CONTEXT) == (
        f"Agent: main\nModel: fake/m\nSession: {KEY}\nMessages: 4 (about 120 tokens)\nTime: 2026-07-01T12:00:00+00:00"
    )


async def test_a_session_that_was_deleted_has_no_length() -> None:
    assert "Messages" not in await SessionStatus().run({}, evolve(CONTEXT, session=_no_session))


async def test_it_takes_no_arguments() -> None:
    with pytest.raises(InvalidValueError, match="unknown key"):
        await SessionStatus().run({"session": KEY}, CONTEXT)
