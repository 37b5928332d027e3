from __future__ import annotations

import sys

import pytest
import trio

from tests.fakes.openai_server import serving
from xopc.agent.providers.base import ModelRequest, Provider, ProviderError
from xopc.agent.providers.offline import OfflineProvider
from xopc.agent.providers.openai_wire import Endpoint
from xopc.agent.providers.pool import ProviderPool
from xopc.contracts.transcript import Message, Role

OFFLINE = OfflineProvider("", "")


async def ask(provider: Provider) -> None:
    async with provider.stream(ModelRequest("m", (Message(Role.USER, "hello"),))) as chunks:
        async for _ in chunks:
            pass


async def test_without_an_endpoint_it_is_the_built_in_one() -> None:
    pool = ProviderPool(OFFLINE)
    assert await pool.get(None, "builtin/offline") is OFFLINE
    await pool.aclose()


async def test_providers_share_one_client_and_are_made_once() -> None:
    async with serving() as server:
        pool = ProviderPool(OFFLINE)
        endpoint = Endpoint("fake", server.base_url)
        first = await pool.get(endpoint, "fake/a")
        assert await pool.get(endpoint, "fake/a") is first
        second = await pool.get(endpoint, "fake/b")
        assert second is not first
        await ask(first)
        await ask(second)
        assert server.connections == 1
        await pool.aclose()


async def test_those_who_come_first_together_get_the_same() -> None:
    pool, found = ProviderPool(OFFLINE), list[Provider]()
    endpoint = Endpoint("fake", "http://127.0.0.1:1/v1")

    async def get() -> None:
        found.append(await pool.get(endpoint, "fake/a"))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(get)
    assert len({id(provider) for provider in found}) == 1
    await pool.aclose()


async def test_a_closed_pool_has_closed_its_connections() -> None:
    async with serving() as server:
        pool = ProviderPool(OFFLINE)
        provider = await pool.get(Endpoint("fake", server.base_url), "fake/a")
        await ask(provider)
        await pool.aclose()
        with pytest.raises((RuntimeError, ProviderError)):
            await ask(provider)


async def test_the_http_client_is_imported_when_it_is_needed() -> None:
    code = "import sys, xopc.agent.agent; print(*[name for name in sys.modules if name in ('httpx2', 'httpcore2')])"
    process = await trio.run_process([sys.executable, "-c", code], capture_stdout=True)
    assert process.stdout.decode().split() == []
