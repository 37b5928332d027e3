from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.openai_server import OpenAIServer, serving
from tests.fakes.turns import Talks
from xopc.agent.providers.offline import OfflineProvider
from xopc.agent.providers.pool import ProviderPool
from xopc.storage.path.base import PathStorage
from xopc.storage.sqlite import open_storage


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[PathStorage]:
    async with open_storage(tmp_path / "xopc.db") as storage:
        yield storage


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    """A model provider on loopback."""
    async with serving() as server:
        yield server


@pytest.fixture
async def pool() -> AsyncIterator[ProviderPool]:
    pool = ProviderPool(OfflineProvider("~/.xopc/models.json", "~/.xopc/xopc.json"))
    yield pool
    await pool.aclose()


@pytest.fixture
def start_talk(storage: PathStorage, tmp_path: Path, pool: ProviderPool) -> Talks:
    """Starts conversations over the real storage."""
    return Talks(storage, tmp_path, pool)
