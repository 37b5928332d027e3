"""The providers of one generation, each made when it is first needed, over one HTTP client."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import trio

from xopc.agent.providers.base import Provider
from xopc.agent.providers.offline import OfflineProvider
from xopc.agent.providers.openai_wire import Endpoint

if TYPE_CHECKING:
    import httpx2


class ProviderPool:
    """Gives providers. Owns the HTTP client: `aclose` ends it, and what still reads from it."""

    def __init__(self, offline: OfflineProvider) -> None:
        self._offline = offline
        self._made: dict[str, Provider] = {}
        self._client: httpx2.AsyncClient | None = None
        self._lock = trio.Lock()

    async def get(self, endpoint: Endpoint | None, ref: str) -> Provider:
        """The provider of a model: of the built-in one where there is no endpoint."""
        if endpoint is None:
            return self._offline
        # What the HTTP client's import and the system's certificates cost is paid in a thread.
        async with self._lock:
            if self._client is None:
                await trio.to_thread.run_sync(importlib.import_module, "xopc.agent.providers.openai")
            from xopc.agent.providers.openai import OpenAIProvider, open_client  # noqa: PLC0415  imported above

            if self._client is None:
                self._client = await trio.to_thread.run_sync(open_client)
            if ref not in self._made:
                self._made[ref] = OpenAIProvider(endpoint, self._client)
            return self._made[ref]

    async def aclose(self) -> None:
        """Close the client. The pool gives no provider afterwards."""
        if self._client is not None:
            await self._client.aclose()
