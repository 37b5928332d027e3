"""An application behind an open gate."""

from __future__ import annotations

import pytest
from quart_trio import QuartTrio

from tests.fakes.generation import Generation
from xopc.server.app import build_app
from xopc.server.gate import Gate


@pytest.fixture
def generation() -> Generation:
    return Generation()


@pytest.fixture
def gate(generation: Generation) -> Gate:
    gate = Gate()
    gate.open(generation.services())
    return gate


@pytest.fixture
def app(gate: Gate) -> QuartTrio:
    return build_app(gate)
