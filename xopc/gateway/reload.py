"""A changed configuration takes effect: at once what can be, and by a restart what cannot.

Reloads run one after the other, in a task of their own: neither a client that hangs up nor a restart leaves half of
one behind. While the generation is replaced there is none; what was asked for meanwhile is looked at afterwards.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import structlog
import trio
from attrs import define, evolve, field, frozen

from xopc.config.load import load_document
from xopc.config.paths import Paths
from xopc.config.plan import Change, Effect, Plan, make_plan
from xopc.config.resolve import Flags, Resolved, resolve
from xopc.config.secrets.references import NO_SECRETS, Secrets
from xopc.config.secrets.snapshot import files_named
from xopc.config.setup import with_certificate
from xopc.config.watch import Sight, look_at, watch
from xopc.contracts.api.config import Reloaded
from xopc.contracts.api.status import LastReload
from xopc.contracts.errors import ConfigError
from xopc.contracts.settings.access import ReloadMode
from xopc.core.hub import Hub
from xopc.core.tasks import utc_now
from xopc.gateway import problems
from xopc.gateway.generation import Generation
from xopc.gateway.loss import refuse_loss, refuse_lost_keys
from xopc.gateway.orders import Order, Restart
from xopc.gateway.problems import Problems
from xopc.gateway.succession import may_be_succeeded
from xopc_supervisor import contract

CONFIG_RELOAD = "config.reload"
CHANGED = "the configuration changed"
PAUSE_SECONDS = 1.0
"""How long whoever replaces or ends the generation waits for a reload that is under way, before it is cut."""
INSIDE = "The gateway failed to read its configuration again. Its log says more."

log = structlog.get_logger("xopc.gateway")


@frozen
class Surroundings:
    """What reloads work on."""

    environ: Mapping[str, str]
    flags: Flags
    bound: Resolved
    """What the sockets of this process are bound for."""
    problems: Problems
    hub: Hub
    give: Callable[[Order], None]
    """Orders restarts."""
    generation: Callable[[], Generation]
    """The running one."""
    put_in_force: Callable[[Resolved], Awaitable[None]]
    """Take over what the generation's configuration says outside of it; gets the one before."""


@define(eq=False)
class _Request:
    reason: str
    is_explicit: bool
    """Somebody asked for it. If not, the file was seen to change."""
    is_anew: bool = False
    """Programs are asked again for the secrets that they tell."""
    outcome: Reloaded = field(factory=partial(Reloaded, reloaded=True))
    done: trio.Event = field(factory=trio.Event)


class Reloader:
    """Reads the configuration again: when it is asked to, and when the file changes."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._on = surroundings
        self.last: LastReload | None = None
        """How the last reload that found something went."""
        self._nursery: trio.Nursery
        self._runs = trio.Event()
        self._job = trio.CancelScope()
        self._is_busy = False
        self._is_paused = False
        self._changed = trio.lowlevel.ParkingLot()
        self._missed: frozenset[Path] = frozenset()
        """Files with secrets that a refused configuration refers to: when they are there, it may be right."""

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Watch the file, and serve whoever asks, until cancelled."""
        async with trio.open_nursery() as self._nursery:
            self._runs.set()
            await self._nursery.start(watch, self._look, self._debounce_seconds, self._follow_the_file)
            task_status.started()
            await trio.sleep_forever()

    def begin(self, reason: str) -> None:
        """Bring what the file says into effect, in the background."""
        self._nursery.start_soon(self._serve, _Request(reason, is_explicit=True, is_anew=True))

    def catch_up(self) -> None:
        """Bring into effect, in any mode, what the process before was asked for after this one had read the file."""
        self._nursery.start_soon(self._serve, _Request(CHANGED, is_explicit=False))

    async def reload(self, reason: str, *, anew: bool = True) -> Reloaded:
        """Bring what the file says into effect, and return what came of it. A restart that it takes follows.

        With `anew`, all of the secrets are looked up again, those that programs tell included.

        Whoever asks before `run` has begun waits for it: the door is open some milliseconds earlier.

        *Cancellation*: the reload goes on, once it was begun.
        """
        if not self._runs.is_set():
            await self._runs.wait()
        request = _Request(reason, is_explicit=True, is_anew=anew)
        self._nursery.start_soon(self._serve, request)
        await request.done.wait()
        return request.outcome

    @asynccontextmanager
    async def paused(self) -> AsyncGenerator[None]:
        """For the time of the block the generation is the caller's to replace. Where a reload was cut for it, and no
        other generation follows, one is ordered: nothing stays half applied."""
        generation = self._on.generation()
        is_whole = await self.pause()
        try:
            yield
        finally:
            self._is_paused = False
            if not is_whole and self._on.generation() is generation:
                self._on.give(Restart(contract.IN_PROCESS, "a reload was cut", is_due=True))

    async def pause(self) -> bool:
        """Reload no more. One that is under way may end, for `PAUSE_SECONDS`; False where it was cut."""
        self._is_paused = True
        self._changed.unpark_all()
        with trio.move_on_after(PAUSE_SECONDS):
            await self._until_idle()
            return True
        self._job.cancel()
        await self._until_idle()
        return False

    def tell_what_waits(self) -> None:
        """Report which changes wait for a restart that does not come by itself; none after most restarts."""
        generation = self._on.generation()
        waiting = self._waiting(generation, generation.resolved)
        self._tell_waiting(waiting if self._must_wait(generation.resolved, waiting) else ())

    def decides_where(self) -> Resolved:
        """The configuration that says where to listen: the one in force, unless to move there is left to people."""
        resolved = self._on.generation().resolved
        moves = make_plan(self._on.bound, resolved).moves
        return self._on.bound if moves and self._must_wait(resolved, moves) else resolved

    # ------------------------------------------------------------ one by one

    def _debounce_seconds(self) -> float:
        return self._on.generation().resolved.settings.gateway.reload.debounce_ms / 1000

    async def _look(self) -> Sight:
        """At the configuration file, and at those that it and `models.json` have secrets from."""
        generation = self._on.generation()
        secrets = generation.resolved.secrets.files | generation.keys.files | self._missed
        return await look_at(generation.resolved.paths.config_path, *sorted(secrets))

    async def _follow_the_file(self) -> None:
        if _mode(self._on.generation().resolved) is not ReloadMode.OFF:
            await self._serve(_Request(CHANGED, is_explicit=False))

    async def _until_idle(self) -> None:
        while self._is_busy:
            await self._changed.park()

    async def _serve(self, request: _Request) -> None:
        while self._is_busy and not self._is_paused:
            await self._changed.park()
        if self._is_paused:
            # The restart may have read the file before, and waits for whoever asks.
            self._on.give(Restart(contract.RELOAD, request.reason))
            request.done.set()
            return
        self._is_busy = True
        try:
            with trio.CancelScope() as self._job:
                request.outcome = await self._reload(request)
        except Exception:  # whatever it is, the gateway serves as it did
            log.exception("The configuration could not be read again.")
            request.outcome = Reloaded(reloaded=False, error=INSIDE)
        finally:
            self._is_busy = False
            self._changed.unpark_all()
            request.done.set()

    async def _reload(self, request: _Request) -> Reloaded:
        generation = self._on.generation()
        before = generation.resolved
        known = NO_SECRETS if request.is_anew else before.secrets.without_lost()
        read = partial(_read, self._on.environ, self._on.flags, before, known)
        try:
            wanted = await trio.to_thread.run_sync(read, abandon_on_cancel=True)
            refuse_loss(before, wanted)
            keys = await generation.look_up_keys(wanted, anew=request.is_anew)
            refuse_lost_keys(generation.keys, keys, wanted)
        except (ConfigError, OSError) as error:
            missed = partial(_files_of, before.paths, self._on.environ)
            self._missed = await trio.to_thread.run_sync(missed, abandon_on_cancel=True)
            return self._refuse(error, before, request)
        self._missed = frozenset()
        is_same = (wanted.content, wanted.secrets, keys) == (before.content, before.secrets, generation.keys)
        if is_same and before.refusal is None and not request.is_explicit:
            self._on.problems.clear(problems.CONFIGURATION)
            return Reloaded(reloaded=True)
        if make_plan(self._on.bound, before).moves and not make_plan(self._on.bound, wanted).moves:
            self._on.problems.clear(problems.HAND_OVER)
        plan = make_plan(before, wanted)
        waiting = self._waiting(generation, wanted)
        is_applied = _mode(wanted) is not ReloadMode.RESTART or not plan.hot
        if is_applied:
            is_applied = await self._apply(generation, wanted, plan, request, keys)
        if not is_applied:
            hot = (change for change in plan.changes if change.effect.is_hot)
            waiting = (*(evolve(change, effect=Effect.RESTART) for change in hot), *waiting)
        return self._conclude(request, wanted, plan, plan.hot if is_applied else (), waiting)

    async def _apply(
        self, generation: Generation, wanted: Resolved, plan: Plan, request: _Request, keys: Secrets
    ) -> bool:
        """Apply what is hot; False where the running parts fail to take it."""
        before = generation.resolved
        try:
            read_again = request.is_explicit or keys != generation.keys
            await generation.change(wanted, plan, read_again=read_again, keys=keys)
            await self._on.put_in_force(before)
            await generation.change_channels(plan)
        except Exception:
            log.exception("A changed configuration could not be applied; it takes a restart.")
            return False
        return True

    def _conclude(
        self, request: _Request, wanted: Resolved, plan: Plan, hot: tuple[str, ...], waiting: tuple[Change, ...]
    ) -> Reloaded:
        """Tell everybody, and order the restart."""
        restart = tuple(change.path for change in waiting)
        if plan.outranked:
            keys = ", ".join(plan.outranked)
            log.warn(f"Changed without an effect, since an option, a variable or another key decides: {keys}.")
        if not self._must_wait(wanted, waiting):
            self._on.problems.clear(problems.RELOAD)
            if waiting:
                reason = request.reason if request.is_explicit else f"{request.reason}: {', '.join(restart)}"
                self._on.give(Restart(contract.IN_PROCESS, reason, is_due=True))
        else:
            self._tell_waiting(waiting)
        self._publish(plan, waiting)
        if plan.changes or waiting or request.is_explicit:
            self.last = LastReload(utc_now(), request.reason, hot, restart)
            log.info("The configuration was read again.", reason=request.reason, hot=hot, restart=restart)
        return Reloaded(reloaded=True, hot=hot, restart=restart, warning_count=len(wanted.warnings))

    # --------------------------------------------------------------- outcomes

    def _refuse(self, error: ConfigError | OSError, before: Resolved, request: _Request) -> Reloaded:
        """What is in force stays in force; say so once."""
        told = _told(error)
        first = error.problems[0].what if isinstance(error, ConfigError) else told
        if not request.is_explicit and first in (before.refusal or ""):
            return Reloaded(reloaded=False, error=told)  # the last accepted copy serves because of it
        what = f"The changed configuration is refused, and the gateway goes on as it was: {error}"
        what = what if before.refusal is None else f"{what}. {before.refusal}"
        degrades = before.refusal is not None
        self._on.problems.report(problems.CONFIGURATION, what, degrades=degrades, happens=request.is_explicit)
        self.last = LastReload(utc_now(), request.reason, error=told)
        return Reloaded(reloaded=False, error=told)

    def _waiting(self, generation: Generation, wanted: Resolved) -> tuple[Change, ...]:
        """What of a configuration takes a restart, compared with what this generation and this process began with."""
        moves = make_plan(self._on.bound, wanted).moves
        return (*make_plan(generation.started_with, wanted).restarts, *moves)

    def _must_wait(self, resolved: Resolved, waiting: tuple[Change, ...]) -> bool:
        """Whether a restart for these changes is left to people."""
        only_moves = all(change.effect is Effect.MOVE for change in waiting)
        return _mode(resolved) is ReloadMode.HOT or (only_moves and not may_be_succeeded(self._on.environ))

    def _tell_waiting(self, waiting: tuple[Change, ...]) -> None:
        if not waiting:
            self._on.problems.clear(problems.RELOAD)
            return
        is_stuck = any(change.effect is Effect.MOVE for change in waiting) and not may_be_succeeded(self._on.environ)
        cure = "Stop and start the gateway" if is_stuck else "To restart: xopc gateway restart"
        keys = ", ".join(change.path for change in waiting)
        self._on.problems.report(problems.RELOAD, f"These changes wait for a restart: {keys}. {cure}", degrades=False)

    def _publish(self, plan: Plan, waiting: tuple[Change, ...]) -> None:
        needs = {change.section for change in waiting}
        for section in dict.fromkeys(change.section for change in plan.changes):
            data: dict[str, object] = {"section": section}
            if section in needs:
                data["requiresRestart"] = True
            self._on.hub.publish(CONFIG_RELOAD, data)


def _read(environ: Mapping[str, str], flags: Flags, before: Resolved, known: Secrets) -> Resolved:
    """The configuration as the file says now, with the certificate of before where it names the same files. No program
    is asked for a secret that is `known`.

    Raises:
        ConfigError: it does not validate, or its certificate does not serve.
        OSError: the disk fails.
    """
    wanted = resolve(environ, flags, known=known)
    same_files = wanted.tls == before.tls
    return evolve(wanted, certificate=before.certificate) if same_files else with_certificate(wanted)


def _files_of(paths: Paths, environ: Mapping[str, str]) -> frozenset[Path]:
    """The files that the configuration file refers to, where it can be read at all."""
    with suppress(ConfigError, OSError):
        document = load_document(paths.config_path)
        if document is not None:
            return files_named(document.values, paths.config_path.parent, environ)
    return frozenset()


def _mode(resolved: Resolved) -> ReloadMode:
    return resolved.settings.gateway.reload.mode


def _told(error: ConfigError | OSError) -> str:
    """Why a file is refused, as clients may hear it: without the paths of this machine."""
    if isinstance(error, OSError):
        return f"The configuration cannot be read: {error.strerror}"
    return "; ".join(
        f"The configuration {problem.what}" if problem.path == error.source else problem.for_clients
        for problem in error.problems
    )
