"""The agent: turns a message into an answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import structlog
import trio

from xopc.agent.commands import Command, Commands, parse_command
from xopc.agent.failure import INSIDE, TurnFailedError, timed_out
from xopc.agent.history import COMMANDS, WINDOW, window
from xopc.agent.models import OFFLINE, Model, Models, UnknownModelError, load_models
from xopc.agent.providers.offline import OfflineProvider
from xopc.agent.providers.pool import ProviderPool
from xopc.agent.tools.base import Tool, ToolContext
from xopc.agent.tools.registry import TOOLS, tools_without
from xopc.agent.turn import Plan, TurnLoop
from xopc.config.paths import Paths
from xopc.config.secrets.references import NO_SECRETS, Secrets
from xopc.contracts.events import AgentEvent, MessageEnd, Progress, RunError, Token
from xopc.contracts.keys import parse_key
from xopc.contracts.messages import Outbound, PeerKind
from xopc.contracts.settings.file import AgentEntry, Settings
from xopc.contracts.transcript import NO_USAGE, SILENT_REPLIES, Message, Role, RunState
from xopc.storage.base import StorageError
from xopc.storage.path.base import PathStorage, Turn, TurnEnd
from xopc.storage.path.sessions import SessionInfo

PROMPT = (
    "You are {name}, a personal assistant that people reach over chat channels. Answer in the language of the last "
    "message, briefly and plainly, without headings. Use your tools where they help, and say so when you do not know."
)

Emit = Callable[[AgentEvent], None]
log = structlog.get_logger("xopc.agent")


@asynccontextmanager
async def open_agent(
    settings: Settings,
    paths: Paths,
    environ: Mapping[str, str],
    storage: PathStorage,
    known: Secrets = NO_SECRETS,
) -> AsyncGenerator[Agent]:
    """The agent of a configuration, for as long as the block runs; what is odd about its models goes to the log.

    No program is asked again for a secret of `models.json` that is `known`.

    *Cancellation*: the block's end closes the connections to providers. No turn may run any more.
    """
    models = await trio.to_thread.run_sync(load_models, paths.models, settings, environ, known)
    for warning in models.warnings:
        log.warn(warning)
    home = environ.get("HOME", "")
    pool = ProviderPool(OfflineProvider(_shown(paths.models, home), _shown(paths.config_path, home)))
    try:
        yield Agent(settings, models, storage, pool)
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
            await pool.aclose()


class Agent:
    """Runs turns, of all agents that are configured; several at a time, one per session."""

    def __init__(
        self,
        settings: Settings,
        models: Models,
        storage: PathStorage,
        pool: ProviderPool,
        *,
        tools: tuple[Tool, ...] = TOOLS,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        """`now` gives this moment with a time zone. The pool is the caller's."""
        self._settings = settings.agents
        self._models = models
        self._storage = storage
        self._pool = pool
        self._tools = tools
        self._now = now
        self._commands = Commands(models, storage)

    @property
    def models(self) -> Models:
        """Those that it may ask."""
        return self._models

    @property
    def has_model(self) -> bool:
        """Whether a model answers where nobody chose another one, and not the one that is built in."""
        entry = self._settings.entry(self._settings.default_id)
        return self._models.choose(entry.model, self._settings.defaults.model)[0] != OFFLINE

    async def run_turn(self, turn: Turn, emit: Emit) -> TurnEnd:
        """The end of a turn, whatever happens in it; the caller commits it. `emit` must not block.

        *Cancellation*: what was committed stays, and a later call with the same run goes on from there.

        Raises:
            StorageError: a step could not be stored, or the session could not be read.
        """
        loop: TurnLoop | None = None
        seconds = self._settings.defaults.max_task_duration_ms / 1000
        try:
            with trio.move_on_after(seconds):
                session = await self._storage.session(turn.session_key)
                if command := parse_command(turn.inbound.text):
                    return await self._obey(command, turn, session, emit)
                loop = TurnLoop(turn, await self._plan(turn, session), self._pool, self._storage, emit)
                return _done(turn, loop, await loop.run(), emit)
            return _failed(turn, loop, timed_out(seconds), emit, is_late=True)
        except (TurnFailedError, UnknownModelError) as failure:
            log.warn("A turn failed.", run=turn.run_id, session=turn.session_key, error=str(failure))
            return _failed(turn, loop, str(failure), emit)
        except StorageError:
            raise
        except Exception:
            log.exception("A turn failed.", run=turn.run_id, session=turn.session_key)
            return _failed(turn, loop, INSIDE, emit)

    async def _obey(self, command: Command, turn: Turn, session: SessionInfo | None, emit: Emit) -> TurnEnd:
        entry = self._entry(turn)
        text = await self._commands.run(command, self._context(turn, entry, self._wanted(turn, session, entry)[0]))
        emit(Token(text))
        emit(MessageEnd())
        emit(Progress("idle", "Done"))
        return TurnEnd(RunState.DONE, Message(Role.ASSISTANT, text, model=COMMANDS), _delivered(turn, text))

    async def _plan(self, turn: Turn, session: SessionInfo | None) -> Plan:
        entry, defaults = self._entry(turn), self._settings.defaults
        models = self._found(self._wanted(turn, session, entry))
        past = await self._storage.history(turn.session_key, WINDOW)
        return Plan(
            models=models,
            prompt=entry.system_prompt_override or PROMPT.format(name=entry.name or "xopc"),
            past=window(past, turn),
            tools=tools_without(entry.tools.disable, self._tools),
            context=self._context(turn, entry, models[0].ref),
            max_tool_iterations=defaults.max_tool_iterations,
            max_tokens=defaults.max_tokens,
            temperature=defaults.temperature,
            effort=_effort(session),
        )

    def _entry(self, turn: Turn) -> AgentEntry:
        key = parse_key(turn.session_key)
        return self._settings.entry(key.agent if key and key.agent else self._settings.default_id)

    def _wanted(self, turn: Turn, session: SessionInfo | None, entry: AgentEntry) -> tuple[str, ...]:
        chosen = session.model if session else None
        return self._models.choose(turn.model, chosen, entry.model, self._settings.defaults.model)

    def _found(self, refs: tuple[str, ...]) -> tuple[Model, ...]:
        """The models that there are of these; at least one.

        Raises:
            UnknownModelError: there is none of them.
        """
        found: list[Model] = []
        unknown: UnknownModelError | None = None
        for ref in refs:
            try:
                found.append(self._models.find(ref))
            except UnknownModelError as error:
                unknown = unknown or error
        if not found and unknown:
            raise unknown
        return tuple(found)

    def _context(self, turn: Turn, entry: AgentEntry, ref: str) -> ToolContext:
        async def session() -> SessionInfo | None:
            return await self._storage.session(turn.session_key)

        return ToolContext(turn.session_key, entry.id, ref, self._now, session)


def _effort(session: SessionInfo | None) -> str | None:
    """The thinking level of a session in the words of models."""
    level = session.thinking_level if session else None
    return {"off": "none", "adaptive": None}.get(level, level) if level else None


def _shown(path: Path, home: str) -> str:
    """A path as strangers may see it: without the name of whoever runs the gateway, where it is in his home."""
    return f"~/{path.relative_to(home)}" if home and path.is_relative_to(home) else str(path)


def _done(turn: Turn, loop: TurnLoop, message: Message, emit: Emit) -> TurnEnd:
    emit(Progress("idle", "Done"))
    is_stored = any(entry.message is message for entry in turn.steps)
    return TurnEnd(
        RunState.DONE,
        None if is_stored else message,
        _delivered(turn, message.content),
        model=message.model,
        usage=loop.usage,
    )


def _failed(turn: Turn, loop: TurnLoop | None, error: str, emit: Emit, *, is_late: bool = False) -> TurnEnd:
    """What was shown of an answer is remembered, and sent with the apology."""
    emit(RunError(error))
    emit(Progress("idle", "Done"))
    draft = loop.draft.strip() if loop else ""
    text = "\n\n".join(filter(None, [draft, f"Sorry, I could not answer. {error}"]))
    return TurnEnd(
        RunState.FAILED,
        Message(Role.ASSISTANT, draft, model=loop.model) if loop and draft else None,
        _delivered(turn, text),
        model=loop.model if loop else None,
        error=error,
        timed_out=is_late,
        usage=loop.usage if loop else NO_USAGE,
    )


def _delivered(turn: Turn, text: str) -> tuple[Outbound, ...]:
    """The text as a message to where the turn came from; none where nothing is to be said."""
    inbound = turn.inbound
    if not turn.deliver or not text.strip() or text.strip() in SILENT_REPLIES:
        return ()
    is_shared = inbound.peer_kind in (PeerKind.GROUP, PeerKind.CHANNEL)
    return (Outbound(inbound.address, text, reply_to=inbound.message_id if is_shared else None),)
