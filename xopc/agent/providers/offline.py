"""The model that is built in: it says that no model is connected, what it understood, and how to connect one.

Deterministic, and streaming like any other, so that all of the way from a message to its answer works without a key.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import trio
from attrs import frozen

from xopc.agent.providers.base import Chunk, Finish, ModelRequest, TextDelta
from xopc.contracts.transcript import Message, Role, ToolCall, Usage

MAX_QUOTE_CHARS = 280
CHARS_PER_TOKEN = 4
"""Roughly; nobody pays for these."""

_GREETING = re.compile(
    r"(?:hi|hello|hey|hiya|moin|hallo|hola|salut|bonjour|ciao|ping|test|good (?:morning|afternoon|evening)|你好|您好)"
    r"(?: there| all| xopc| bot)?[\s!.,?~👋]*",
    re.IGNORECASE,
)
_THANKS = re.compile(r"(?:thanks|thank you|thx|ty|merci|danke|gracias|谢谢)\b.{0,40}", re.IGNORECASE)
_CLOCK = re.compile(r"what(?:'s| is)? (?:the )?(?:time|date|day)\b|what day is it", re.IGNORECASE)
_PIECE = re.compile(r"\s*\S+\s*")


@frozen
class OfflineProvider:
    """`Provider` of the model that is built in."""

    models_path: str
    """Where `models.json` belongs, to tell people."""
    config_path: str
    """Where the configuration is."""

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[AsyncIterator[Chunk]]:
        async with aclosing(self._chunks(request)) as chunks:
            yield chunks

    async def _chunks(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        answer = self._answer(request)
        said = answer if isinstance(answer, str) else ""
        for piece in _PIECE.findall(said):
            await trio.lowlevel.checkpoint()
            yield TextDelta(piece)
        if isinstance(answer, ToolCall):
            yield answer
        asked = sum(len(message.content) for message in request.messages)
        yield Finish(Usage(asked // CHARS_PER_TOKEN + 1, len(said) // CHARS_PER_TOKEN + 1))

    def _answer(self, request: ModelRequest) -> str | ToolCall:
        messages = request.messages
        last = messages[-1]
        if last.role is Role.TOOL:
            return f"I looked at the clock: {last.content}" if not last.is_error else f"I could not: {last.content}"
        text = last.content.strip()
        told = _was_told(messages[:-1])
        if _GREETING.fullmatch(text):
            return "Hello again. " + _REMINDER if told else f"Hello! {_WORKS}\n\n{self._how_to()}"
        if _THANKS.fullmatch(text):
            return "You are welcome. " + _REMINDER
        if _CLOCK.search(text) and any(tool.name == "current_time" for tool in request.tools):
            return ToolCall(f"offline_{len(messages)}", "current_time", "{}")
        heard = f"{_heard(text)} I cannot answer it: no language model is connected, and I am only what is built in."
        return f"{heard} {_REMINDER}" if told else f"{heard}\n\n{self._how_to()}"

    def _how_to(self) -> str:
        return (
            "To connect a model: run `xopc onboard` on my machine; it asks, and tries the model. By hand:\n"
            f'1. Put its key into {self.config_path}: {{"providers": {{"openai": "sk-…"}}}}. For Ollama, or another '
            f"server that speaks like OpenAI, write {self.models_path} instead.\n"
            "2. The first takes effect by itself; after the second run `xopc gateway restart`.\n"
            "docs/how-to/connect-a-model.md has it step by step, with examples.\n\n"
            "Until then I know what time it is, and /help, /status, /new and /model."
        )


_WORKS = (
    "This is xopc, and all of the way from you to me and back works: your message was stored, answered and delivered. "
    "What is missing is a language model, so do not expect conversation yet."
)
_REMINDER = "Connecting a model takes a key in the configuration; /help says what works without."


def _was_told(messages: Sequence[Message]) -> bool:
    """Whether an earlier answer of this conversation told how to connect a model."""
    return any(message.role is Role.ASSISTANT and "To connect a model:" in message.content for message in messages)


def _heard(text: str) -> str:
    """What arrived, so that whoever tries things out sees that it did, and how."""
    if not text:
        return "An empty message arrived."
    line = " ".join(text.split())
    quote = line if len(line) <= MAX_QUOTE_CHARS else line[: MAX_QUOTE_CHARS - 1].rstrip() + "…"
    what = "Your question arrived" if line.endswith(("?", "？")) else "Your message arrived"
    size = f" ({len(text.split())} words)" if quote != line else ""
    return f"{what}{size}: “{quote}”."
