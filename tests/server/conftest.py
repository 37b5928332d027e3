"""An application behind an open gate, and a message path for those who need one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from quart_trio import QuartTrio

from tests.fakes.generation import Generation
from tests.fakes.message_path import MessagePath, open_message_path
from xopc.server.app import build_app
from xopc.server.door.door import Door
from xopc.server.wire.gate import Gate


@pytest.fixture
async def path(tmp_path: Path) -> AsyncGenerator[MessagePath]:
    async with open_message_path(tmp_path / "xopc.db") as path:
        yield path


@pytest.fixture
def generation() -> Generation:
    return Generation()


@pytest.fixture
def gate(generation: Generation) -> Gate:
    gate = Gate()
    gate.open(generation.services())
    return gate


@pytest.fixture
def door(generation: Generation) -> Door:
    return generation.door


@pytest.fixture
def app(gate: Gate, door: Door) -> QuartTrio:
    return build_app(gate, door)


@pytest.fixture
def talking(path: MessagePath) -> QuartTrio:
    """An application whose generation has a message path."""
    gate = Gate()
    generation = Generation(path=path)
    gate.open(generation.services())
    return build_app(gate, generation.door)
