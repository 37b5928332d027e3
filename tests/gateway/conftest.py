"""Fixtures of the composition's tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.fakes.supervised_tree import TOKEN, write
from xopc.core.hub import Hub
from xopc.core.sessions.runs import Runs
from xopc.gateway.generation import Life
from xopc.storage.sqlite import open_storage


@pytest.fixture
async def life(home: Path) -> AsyncGenerator[Life]:
    """What outlives a generation, over a database of the test's own."""
    async with open_storage(home / "life.db") as storage:
        yield Life(storage, Runs(), Hub("boot-1"), "boot-1", {"XOPC_HOME": str(home)})


@pytest.fixture(autouse=True)
def no_forced_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process under test is the test's own, which must not be ended."""

    def never(_code: int, _seconds: float = 0) -> None: ...

    monkeypatch.setattr("xopc.gateway.departure.force_exit", never)


@pytest.fixture
def configured(home: Path) -> Path:
    write(home, {"gateway": {"auth": {"token": TOKEN}}})
    return home
