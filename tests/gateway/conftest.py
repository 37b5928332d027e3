"""Fixtures of the composition's tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from xopc.core.hub import Hub
from xopc.core.runs import Runs
from xopc.gateway.generation import Life
from xopc.storage.sqlite import open_storage


@pytest.fixture
async def life(home: Path) -> AsyncGenerator[Life]:
    """What outlives a generation, over a database of the test's own."""
    async with open_storage(home / "life.db") as storage:
        yield Life(storage, Runs(), Hub("boot-1"), "boot-1", {"XOPC_HOME": str(home)})
