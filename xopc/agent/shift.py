"""The agent of the configuration in force, and those before it that still have turns to end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import trio
from attrs import define

from xopc.agent.agent import Agent, Emit, open_agent
from xopc.agent.models_secrets import look_up
from xopc.config.paths import Paths
from xopc.config.secrets.references import NO_SECRETS, Secrets
from xopc.contracts.settings.file import Settings
from xopc.storage.path.base import PathStorage, Turn, TurnEnd


@define(eq=False)
class _Duty:
    """An agent from its opening to its last turn."""

    agent: Agent
    stack: AsyncExitStack
    turns: int = 0
    is_over: bool = False
    """No further turn begins with it."""


class Shifts:
    """Runs each turn with the agent that was in charge when it began. Made by `open_shifts`."""

    def __init__(self, paths: Paths, environ: Mapping[str, str], storage: PathStorage) -> None:
        self._paths = paths
        self._environ = environ
        self._storage = storage
        self._duties: list[_Duty] = []
        """The last one is in charge."""

    @property
    def agents(self) -> tuple[Agent, ...]:
        """Those that are open; the last one is in charge."""
        return tuple(duty.agent for duty in self._duties)

    async def look_up_keys(self, settings: Settings, *, anew: bool) -> Secrets:
        """What `models.json` refers to now, for `change`; with `anew`, programs are asked again. Where the file cannot
        be read, what it referred to before."""
        before = self._duties[-1].agent.models.secrets
        known = NO_SECRETS if anew else before.without_lost()
        path, environ = self._paths.models, self._environ
        found = await trio.to_thread.run_sync(look_up, path, settings.secrets, environ, known, abandon_on_cancel=True)
        return before if found is None else found

    async def change(self, settings: Settings, known: Secrets = NO_SECRETS) -> None:
        """Let turns that begin from now on have an agent of these settings. The one before it ends with its last turn.

        No program is asked again for a secret of `models.json` that is `known`.

        Raises:
            Exception: there is no such agent, and the one before stays in charge.
        """
        stack = AsyncExitStack()
        agent = await stack.enter_async_context(open_agent(settings, self._paths, self._environ, self._storage, known))
        before = self._duties[-1:]
        self._duties.append(_Duty(agent, stack))
        for duty in before:
            duty.is_over = True
            await self._close_when_idle(duty)

    async def run_turn(self, turn: Turn, emit: Emit) -> TurnEnd:
        """As `Agent.run_turn`."""
        duty = self._duties[-1]
        duty.turns += 1
        try:
            return await duty.agent.run_turn(turn, emit)
        finally:
            duty.turns -= 1
            await self._close_when_idle(duty)

    async def aclose(self) -> None:
        """Close what is left. No turn may run any more."""
        while self._duties:
            await self._duties.pop().stack.aclose()

    async def _close_when_idle(self, duty: _Duty) -> None:
        if duty.is_over and not duty.turns:
            self._duties.remove(duty)
            await duty.stack.aclose()


@asynccontextmanager
async def open_shifts(
    settings: Settings,
    paths: Paths,
    environ: Mapping[str, str],
    storage: PathStorage,
    known: Secrets = NO_SECRETS,
) -> AsyncGenerator[Shifts]:
    """The shifts that begin with an agent of these settings, for as long as the block runs. For `known` see `change`.

    *Cancellation*: the block's end closes the connections to providers. No turn may run any more.
    """
    shifts = Shifts(paths, environ, storage)
    try:
        await shifts.change(settings, known)
        yield shifts
    finally:
        await shifts.aclose()
