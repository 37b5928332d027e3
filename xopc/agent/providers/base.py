"""What a provider of models is: one request in, a stream of chunks out, and one kind of error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Any, Protocol, TypeAlias

from attrs import frozen

from xopc.contracts.transcript import NO_USAGE, Message, ToolCall, Usage


@frozen
class ToolSpec:
    """A tool as a model sees it."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON Schema of an object."""


@frozen
class ModelRequest:
    """What a model is asked."""

    model: str
    """As the provider spells it."""
    messages: tuple[Message, ...]
    """The system's first, then oldest first. Each call of a tool has its result."""
    tools: tuple[ToolSpec, ...] = ()
    max_tokens: int | None = None
    """None leaves it to the provider, here and below."""
    temperature: float | None = None
    effort: str | None = None
    """How long to think: none, minimal, low, medium, high or xhigh."""


@frozen
class TextDelta:
    """More of the text."""

    text: str


@frozen
class Finish:
    """The answer is complete; always the last chunk."""

    usage: Usage = NO_USAGE


Chunk: TypeAlias = TextDelta | ToolCall | Finish
"""A call of a tool comes whole."""


class ErrorKind(Enum):
    """What can be done about an error."""

    TRANSIENT = "transient"
    """Another try may help: the network, a limit, an overload, a timeout."""
    AUTH = "auth"
    """The provider does not serve this key."""
    BAD_REQUEST = "bad_request"
    """The provider does not take this request, now or later."""
    CONTEXT_OVERFLOW = "context_overflow"
    """The conversation is too long for the model."""


class ProviderError(Exception):
    """A provider did not answer. The message is a clause that says why; it holds no key."""

    def __init__(self, kind: ErrorKind, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retry_after = retry_after
        """Seconds that the provider asked to wait."""


class Provider(Protocol):
    """Answers requests to models."""

    def stream(self, request: ModelRequest) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        """The answer, chunk by chunk; the block's end gives up what was not read.

        Every wait is bounded. What fails before the first chunk was tried again already.

        Raises:
            ProviderError: on entry, or from the iterator when the answer breaks off.
        """
        ...
