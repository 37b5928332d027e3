"""The loop of one turn: ask the model, commit what it wants, run its tools, commit what came of it, ask again.

A turn that another process began goes on from its last committed step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from xopc.agent.failure import TurnFailedError, explain
from xopc.agent.history import interrupted, told, unanswered
from xopc.agent.models import Model
from xopc.agent.providers.base import ErrorKind, Finish, ModelRequest, ProviderError, TextDelta, ToolSpec
from xopc.agent.providers.pool import ProviderPool
from xopc.agent.tools.base import Tool, ToolContext, ToolError
from xopc.agent.tools.calls import arguments_of, run_call
from xopc.contracts.events import AgentEvent, MessageEnd, Progress, Token, ToolEnd, ToolStart
from xopc.contracts.transcript import NO_USAGE, Message, Role, ToolCall, Usage
from xopc.storage.path.base import PathStorage, Turn

MAX_ANSWER_CHARS = 1_000_000
"""Of one message of a model: whoever sends more has lost its way."""


@frozen
class Plan:
    """What a turn is run with."""

    models: tuple[Model, ...]
    """To try, in order; at least one."""
    prompt: str
    """The system's message."""
    past: tuple[Message, ...]
    """What was said before, as models take it."""
    tools: Mapping[str, Tool]
    context: ToolContext
    max_tool_iterations: int
    max_tokens: int
    temperature: float
    effort: str | None = None
    """How long models think; None leaves it to them."""


class TurnLoop:
    """One turn. What it has said and used so far can be read at any time, also after it was cancelled."""

    def __init__(
        self, turn: Turn, plan: Plan, pool: ProviderPool, storage: PathStorage, emit: Callable[[AgentEvent], None]
    ) -> None:
        self._turn = turn
        self._plan = plan
        self._pool = pool
        self._storage = storage
        self._emit = emit
        self._steps = [entry.message for entry in turn.steps]
        self._preferred = 0
        """Which of the models answered last: a turn stays with it."""
        self.model = plan.models[0].ref
        """The model that answered last, or is being asked."""
        self.draft = ""
        """What was shown of a message that is not complete."""

    @property
    def usage(self) -> Usage:
        """What all requests of the turn took, those of an earlier process too."""
        return sum((message.usage or NO_USAGE for message in self._steps), NO_USAGE)

    async def run(self) -> Message:
        """The final message, which is not committed here.

        Raises:
            TurnFailedError: there is none, and no other try would help.
            StorageError: a step could not be stored.
        """
        await self._answer_calls(again=True)
        while True:
            last = self._steps[-1]
            if last.role is Role.ASSISTANT and not last.tool_calls:
                return last
            self._check_rounds()
            message = await self._ask()
            self._emit(MessageEnd())
            self.draft = ""
            self._steps.append(message)
            if message.tool_calls:
                await self._storage.step(self._turn.run_id, message)
                await self._answer_calls(again=False)

    # ---------------------------------------------------------------- models

    async def _ask(self) -> Message:
        """The next message of a model: of the first that answers."""
        self._emit(Progress("thinking", "Thinking"))
        failures: list[tuple[str, ProviderError]] = []
        for place, model in list(enumerate(self._plan.models))[self._preferred :]:
            self.model, self._preferred = model.ref, place
            for is_last_try in (False, True):
                try:
                    return await self._listen(model)
                except ProviderError as error:
                    failures.append((model.ref, error))
                    if error.kind in (ErrorKind.BAD_REQUEST, ErrorKind.CONTEXT_OVERFLOW):
                        raise TurnFailedError(explain(*failures[-1])) from None
                    # Nothing was said: the provider has tried again itself. An answer that broke off is asked anew.
                    if is_last_try or not self.draft:
                        break
        raise TurnFailedError(explain(*failures[0]))

    async def _listen(self, model: Model) -> Message:
        if self.draft:
            self.draft = ""
            self._emit(Token("", reset=True))
        pieces: list[str] = []
        calls: list[ToolCall] = []
        usage = NO_USAGE
        provider = await self._pool.get(model.endpoint, model.ref)
        async with provider.stream(self._request(model)) as chunks:
            async for chunk in chunks:
                match chunk:
                    case TextDelta(text):
                        self._show(text)
                        pieces.append(text)
                    case ToolCall():
                        calls.append(chunk)
                    case Finish(usage):
                        pass
        return Message(Role.ASSISTANT, "".join(pieces), tuple(calls), model=model.ref, usage=usage)

    def _show(self, text: str) -> None:
        if not self.draft:
            self._emit(Progress("writing", "Writing"))
        self.draft += text
        if len(self.draft) > MAX_ANSWER_CHARS:
            raise ProviderError(ErrorKind.BAD_REQUEST, "the answer has no end")
        self._emit(Token(text))

    def _request(self, model: Model) -> ModelRequest:
        plan = self._plan
        return ModelRequest(
            model=model.id,
            messages=(Message(Role.SYSTEM, plan.prompt), *plan.past, *told(self._steps)),
            tools=tuple(ToolSpec(tool.name, tool.description, tool.parameters) for tool in plan.tools.values()),
            max_tokens=min(plan.max_tokens, model.max_tokens or plan.max_tokens),
            temperature=plan.temperature,
            effort=plan.effort,
        )

    # ----------------------------------------------------------------- tools

    async def _answer_calls(self, *, again: bool) -> None:
        """Run what the model called and has no result of. `again`: another process may have begun to."""
        for call in unanswered(self._steps):
            tool = self._plan.tools.get(call.name)
            self._emit(Progress("executing", f"Running {call.name}"))
            self._emit(ToolStart(call.id, call.name, _shown(call)))
            if again and tool is not None and not tool.is_repeatable:
                result = interrupted(call)
            else:
                result = await run_call(call, self._plan.tools, self._plan.context)
            await self._storage.step(self._turn.run_id, result)
            self._steps.append(result)
            self._emit(ToolEnd(call.id, call.name, result.is_error, result.content))

    def _check_rounds(self) -> None:
        rounds = sum(bool(message.tool_calls) for message in self._steps)
        if rounds >= self._plan.max_tool_iterations:
            what = f"I used tools {rounds} times and came to no end"
            raise TurnFailedError(f"{what}. Ask for less at once, or raise agents.defaults.maxToolIterations.")


def _shown(call: ToolCall) -> dict[str, Any]:
    """The arguments as clients are shown them; none where they are malformed."""
    try:
        return arguments_of(call)
    except ToolError:
        return {}
