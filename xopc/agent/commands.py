"""Slash commands: answered before any model is asked, and in any model."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from attrs import frozen

import xopc
from xopc.agent.models import OFFLINE, Models, UnknownModelError
from xopc.agent.tools.base import ToolContext
from xopc.agent.tools.session_status import session_status
from xopc.storage.path.base import PathStorage

_COMMAND = re.compile(r"/(?P<name>[A-Za-z]+)(?:@\w+)?(?:\s+(?P<argument>.*?))?\s*", re.DOTALL)

HELP = """\
/help: this
/status: agent, model and session
/new: start a new conversation; the old one is kept, but I no longer think of it
/model: which model answers, and which there are
/model provider/model: let another one answer in this session; /model default undoes it
/abort: stop what I am doing
Anything else goes to the model."""


@frozen
class Command:
    """A command as it was given."""

    name: str
    """The main spelling."""
    argument: str = ""


def parse_command(text: str) -> Command | None:
    """The command in a message; None for what goes to the model, unknown commands among it."""
    match = _COMMAND.fullmatch(text.strip())
    name = _SPELLINGS.get(match["name"].lower()) if match else None
    return Command(name, match["argument"] or "") if match and name else None


class Commands:
    """Runs commands. Running one twice, as after a crash, does no harm."""

    def __init__(self, models: Models, storage: PathStorage) -> None:
        self._models = models
        self._storage = storage
        self._run: dict[str, Callable[[str, ToolContext], Awaitable[str]]] = {
            "help": self._help,
            "status": self._status,
            "new": self._new,
            "model": self._model,
        }

    async def run(self, command: Command, context: ToolContext) -> str:
        """The answer. `context.model` is the one that would have been asked.

        Raises:
            StorageError: nothing was changed.
        """
        return await self._run[command.name](command.argument, context)

    async def _help(self, _: str, context: ToolContext) -> str:
        if context.model != OFFLINE:
            return HELP
        return f"{HELP}\nNo model is connected: docs/how-to/connect-a-model.md tells how."

    async def _status(self, _: str, context: ToolContext) -> str:
        return f"xopc {xopc.__version__}\n{await session_status(context)}"

    async def _new(self, _: str, context: ToolContext) -> str:
        await self._storage.reset_session(context.session_key)
        return "A new conversation. What was said before is kept, but I no longer think of it."

    async def _model(self, argument: str, context: ToolContext) -> str:
        if not argument:
            listed = "\n".join(f"- {ref}" for ref in self._models.listed())
            return f"{context.model} answers here. There is:\n{listed}\nChange it with /model provider/model."
        if argument.lower() == "default":
            await self._storage.set_model(context.session_key, None)
            return "From now on the agent's own model answers here."
        try:
            model = self._models.find(argument)
        except UnknownModelError as error:
            return f"{error} Nothing was changed."
        await self._storage.set_model(context.session_key, model.ref)
        return f"From now on {model.ref} answers here. /model default undoes it."


_SPELLINGS = {
    spelling: name
    for name, spellings in {
        "help": ("help", "h", "commands", "start"),
        "status": ("status",),
        "new": ("new", "reset", "restart"),
        "model": ("model", "models", "switch"),
    }.items()
    for spelling in spellings
}
