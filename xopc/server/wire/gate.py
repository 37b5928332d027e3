"""The gate between the requests and the generation: a restart keeps newcomers waiting, a stop sends them away.

A request is inside only while its handler runs; its body is read before, and its answer sent after. So neither a
slow client nor the request that asked for a restart holds the restart up.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio
from attrs import define, field

from xopc.contracts.errors import Failure, XopcError
from xopc.server.services import Services

WAIT_SECONDS = 6
"""A drain (5 s) and the start of the next generation."""

_STOPPING = "The gateway is stopping."
_STILL_CLOSED = f"The gateway is restarting, and was not back within {WAIT_SECONDS} seconds. Try again."
_EVICTED = "A restart of the gateway ended this request before it was done."


@define(eq=False)
class _Opening:
    """One opening of the gate: the services of a generation, and a cancel scope for each request inside."""

    services: Services
    scopes: set[trio.CancelScope] = field(factory=set[trio.CancelScope])


class Gate:
    """Hands out the services of the current generation. Closed until the first one is there.

    closed → `open` → open → `close` → closed → `open` → … and from either, for ever, `shut`.
    """

    def __init__(self) -> None:
        self._current: _Opening | None = None
        self._openings: list[_Opening] = []
        self._is_shut = False
        self._waiting = 0
        self._changed = trio.Event()
        self._left = trio.Event()

    @property
    def is_shut(self) -> bool:
        """Whether the process stops: nothing new is served."""
        return self._is_shut

    @property
    def waiting(self) -> int:
        """Requests that wait for a generation."""
        return self._waiting

    @property
    def inside(self) -> int:
        """Requests that hold the services of a generation, of the current one or an older."""
        return sum(len(opening.scopes) for opening in self._openings)

    @asynccontextmanager
    async def enter(self) -> AsyncGenerator[Services]:
        """The services of one generation, for the time of the block.

        Raises:
            XopcError: UNAVAILABLE: no generation within `WAIT_SECONDS`, or the process stops, or the block was
                ended by `evict`.
        """
        opening = await self._admit()
        with trio.CancelScope() as scope:
            opening.scopes.add(scope)
            try:
                yield opening.services
            finally:
                opening.scopes.remove(scope)
                self._leave(opening)
        if scope.cancelled_caught:
            raise XopcError(Failure.UNAVAILABLE, _STOPPING if self._is_shut else _EVICTED)

    def open(self, services: Services) -> None:
        """Let everybody in, to this generation. Nobody, once shut."""
        self._retire()
        if self._is_shut:
            return
        self._current = _Opening(services)
        self._openings.append(self._current)
        self._announce()

    def close(self) -> None:
        """Let nobody in for now; newcomers wait."""
        self._retire()

    def shut(self) -> None:
        """Let nobody in any more; newcomers, and those who wait, are refused at once."""
        self._is_shut = True
        self._retire()
        self._announce()

    async def idle(self) -> None:
        """Wait until nobody is inside a generation that was closed or shut. Set a deadline around it."""
        while any(opening is not self._current for opening in self._openings):
            await self._left.wait()

    def evict(self) -> None:
        """Cancel whoever is still inside a generation that was closed or shut: its services are gone."""
        for opening in self._openings:
            if opening is not self._current:
                for scope in opening.scopes:
                    scope.cancel()

    async def _admit(self) -> _Opening:
        if self._current is None and not self._is_shut:
            await self._wait()
        if self._current is None:
            raise XopcError(Failure.UNAVAILABLE, _STOPPING if self._is_shut else _STILL_CLOSED)
        return self._current

    async def _wait(self) -> None:
        self._waiting += 1
        try:
            with trio.move_on_after(WAIT_SECONDS):
                while self._current is None and not self._is_shut:
                    await self._changed.wait()
        finally:
            self._waiting -= 1

    def _retire(self) -> None:
        retired, self._current = self._current, None
        if retired:
            self._leave(retired)

    def _leave(self, opening: _Opening) -> None:
        if opening is not self._current and not opening.scopes:
            self._openings.remove(opening)
            self._left.set()
            self._left = trio.Event()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
