"""Turns to run against a real storage: accepted, claimed, and finished as the sessions' workers do it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from tests.fakes.openai_server import OpenAIServer
from xopc.agent.agent import Agent
from xopc.agent.models import load_models
from xopc.agent.providers.pool import ProviderPool
from xopc.agent.tools.base import Tool
from xopc.agent.tools.registry import TOOLS
from xopc.contracts.convert import structure
from xopc.contracts.events import AgentEvent
from xopc.contracts.messages import Address, Inbound, PeerKind
from xopc.contracts.settings.file import Settings
from xopc.contracts.transcript import Message
from xopc.storage.path.base import Acceptance, PathStorage, Turn, TurnEnd

KEY = "sk-invented-1234567890abcdef"
SESSION = "main:telegram:default:dm:1"


@define(eq=False)
class Talk:
    """One session with an agent."""

    agent: Agent
    storage: PathStorage
    session: str = SESSION
    kind: PeerKind = PeerKind.DM
    events: list[AgentEvent] = field(factory=list[AgentEvent])
    """Of the last turn."""

    async def say(self, text: str, *, model: str | None = None, deliver: bool = True) -> TurnEnd:
        """Have a message answered, and the end committed."""
        return await self.run(await self.claim(text, model=model, deliver=deliver))

    async def claim(self, text: str, *, model: str | None = None, deliver: bool = True) -> Turn:
        """The turn of a message, claimed."""
        run_id = str(uuid.uuid4())
        inbound = Inbound(
            Address("telegram", "default", "1"), self.kind, "1", text, run_id, sender_name="Robin", message_id="77"
        )
        acceptance = Acceptance(inbound, self.session, run_id, deliver=deliver, model=model)
        await self.storage.accept([acceptance])
        turn = await self.storage.claim(self.session, "boot")
        assert turn is not None
        return turn

    async def run(self, turn: Turn) -> TurnEnd:
        self.events.clear()
        end = await self.agent.run_turn(turn, self.events.append)
        await self.storage.finish(turn.run_id, end)
        return end

    async def transcript(self) -> list[Message]:
        return [entry.message for entry in await self.storage.messages(self.session, 1000)]


@frozen
class Talks:
    """Starts conversations over one storage. Without a `models.json` the built-in model answers."""

    storage: PathStorage
    folder: Path
    pool: ProviderPool

    def __call__(
        self,
        session: str = SESSION,
        *,
        settings: Mapping[str, Any] | None = None,
        models: Mapping[str, Any] | None = None,
        tools: tuple[Tool, ...] = TOOLS,
        pool: ProviderPool | None = None,
    ) -> Talk:
        path = self.folder / "models.json"
        if models is not None:
            path.write_text(json.dumps({"providers": models}))
        typed = structure(dict(settings or {}), Settings)
        agent = Agent(typed, load_models(path, typed, {}), self.storage, pool or self.pool, tools=tools)
        return Talk(agent, self.storage, session)


def provider(server: OpenAIServer, *models: str) -> dict[str, Any]:
    """An entry of `models.json` for a fake server."""
    return {"baseUrl": server.base_url, "apiKey": KEY, "models": [{"id": model} for model in models or ("small",)]}
