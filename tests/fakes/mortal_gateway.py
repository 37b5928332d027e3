"""The real gateway process, which kills itself at the step of the message path that it is told.

`STEPS` names them all. The file that `CRASH_ORDER` names holds `<number> <step> <before|after> <count>`: the process
dies, with SIGKILL, when it comes there for the `count`th time since it was told; the file is gone then. `before` and
`after` are those of the step: of a commit, all of its transaction was done and nothing is stored, or it is stored and
nobody knows.

It has one tool more, which must not be run twice: `ring_bell` writes its argument `text` into the file `CRASH_BELL`.
And a job that has failed is tried again in a moment: nobody waits for half a minute here.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from functools import wraps
from pathlib import Path
from typing import Any, cast

from attrs import evolve, frozen
from outcome import Outcome, Value

from xopc.agent.agent import Agent
from xopc.agent.tools.base import TOOL_SECONDS, ToolContext
from xopc.agent.tools.registry import TOOLS
from xopc.channels.telegram.api import Api
from xopc.channels.telegram.channel import Telegram
from xopc.contracts.cron import JobRun, RunStatus
from xopc.contracts.events import Token
from xopc.contracts.messages import OutboxState
from xopc.contracts.transcript import Message, Role
from xopc.core.cron import policy
from xopc.core.sessions.runs import Runs
from xopc.gateway.departure import Departure
from xopc.gateway.generation import Generation
from xopc.gateway.line import Line
from xopc.gateway.main import main
from xopc.server.wire.transport import Plain
from xopc.storage import migrate, sqlite, sqlite_path
from xopc.storage.path.outbox import Attempt
from xopc.storage.transactions import boots, cron, inbox, outbox, runs
from xopc.storage.writer import WriterThread
from xopc_supervisor import contract

BEFORE, AFTER = "before", "after"


class Fate(Enum):
    """How often what was on its way arrives, when the process dies there."""

    ONCE = "once"
    MARKED = "once, marked"
    """As a possible duplicate: nobody knows that it did not arrive."""
    TWICE = "twice, marked"
    """The platform had taken it, and cannot be asked."""
    DEAD = "dead letter"


@frozen
class Step:
    """One step of the path, and what dying right before and right after it means for its message."""

    before: Fate = Fate.ONCE
    after: Fate = Fate.ONCE
    transaction: Callable[..., Any] | None = None
    """Of the storage, where the step is a commit."""
    is_it: Callable[..., bool] = lambda *_: True
    """Of the transaction's result and arguments: whether it is this step."""


def _is_of_updates(_result: object, _items: object, cursor: object, *_: object) -> bool:
    return cursor is not None


def _is_of_a_caller(_result: object, _items: object, cursor: object, *_: object) -> bool:
    return cursor is None


def _has_claimed(turn: object, *_: object) -> bool:
    return turn is not None


def _is_of(role: Role) -> Callable[..., bool]:
    def is_it(_result: object, _run_id: str, message: Message, *_: object) -> bool:
        return message.role is role

    return is_it


def _ends_in(state: OutboxState) -> Callable[..., bool]:
    def is_it(_result: object, _row_id: str, attempt: Attempt, *_: object) -> bool:
        return attempt.state is state

    return is_it


def _has_come(run: object, *_: object) -> bool:
    return run is not None


def _has_begun(run: JobRun | None, *_: object) -> bool:
    return run is not None and run.status is not RunStatus.SKIPPED


STEPS: Mapping[str, Step] = {
    "migrate": Step(),
    "boot": Step(transaction=boots.insert_boot),
    "recover": Step(transaction=inbox.recover),
    "recover outbox": Step(transaction=outbox.recover_outbox),
    "prune": Step(transaction=sqlite_path._prune),  # pyright: ignore[reportPrivateUsage] - it has no other name
    "ready": Step(),
    "accept updates": Step(transaction=inbox.accept, is_it=_is_of_updates),
    "confirm updates": Step(),
    "accept": Step(transaction=inbox.accept, is_it=_is_of_a_caller),
    "enqueue": Step(transaction=outbox.enqueue),
    "keep": Step(transaction=inbox.keep),
    "acknowledge": Step(),
    "claim": Step(transaction=runs.claim, is_it=_has_claimed),
    "answer": Step(),
    "call": Step(transaction=runs.step, is_it=_is_of(Role.ASSISTANT)),
    "tool": Step(),
    "result": Step(transaction=runs.step, is_it=_is_of(Role.TOOL)),
    "finish": Step(transaction=runs.finish),
    "begin": Step(after=Fate.MARKED, transaction=outbox.begin_attempt),
    "send": Step(Fate.MARKED, Fate.TWICE),
    "part": Step(Fate.TWICE, Fate.MARKED, outbox.record_part),
    "settle": Step(Fate.MARKED, Fate.ONCE, outbox.settle, _ends_in(OutboxState.SENT)),
    "put off": Step(Fate.MARKED, Fate.ONCE, outbox.settle, _ends_in(OutboxState.PENDING)),
    "give up": Step(Fate.MARKED, Fate.DEAD, outbox.settle, _ends_in(OutboxState.DEAD)),
    "begin run": Step(transaction=cron.claim, is_it=_has_begun),
    "put off run": Step(transaction=cron.put_off, is_it=_has_come),
    "resume run": Step(transaction=cron.resume, is_it=_has_come),
    "end run": Step(transaction=cron.settle, is_it=_has_come),
    "drain": Step(),
    "release": Step(transaction=inbox.release),
    "hand over": Step(),
}
"""In the order of the path: the start of a process, a message in, its turn, its answer out, a job, the end."""

RETRY_SECONDS = 0.3
"""Before a job that has failed is tried again."""

ACKNOWLEDGED = (b'"message_id":"msg_', b'"status":"accepted"')
"""What callers of the API are told."""

_lock = threading.Lock()
_counts: dict[str, int] = {}


@frozen
class RingBell:
    """A tool whose every run is heard."""

    name: str = "ring_bell"
    description: str = "Rings a bell."
    is_repeatable: bool = False
    timeout_seconds: float = TOOL_SECONDS

    @property
    def parameters(self) -> dict[str, Any]:
        return {"type": "object", "properties": {"text": {"type": "string"}}}

    async def run(self, arguments: dict[str, Any], context: ToolContext) -> str:
        come_to("tool", BEFORE)
        with Path(os.environ["CRASH_BELL"]).open("a") as bell:  # noqa: ASYNC230 - a line
            bell.write(f"{arguments['text']}\n")
        come_to("tool", AFTER)
        return f"rang {arguments['text']}"


def come_to(step: str, when: str) -> None:
    """Die here, if that is the order."""
    order = Path(os.environ["CRASH_ORDER"])
    try:
        number, wanted, moment, count = order.read_text().split("\t")
    except (FileNotFoundError, ValueError):
        return
    if (wanted, moment) != (step, when):
        return
    with _lock:
        _counts[number] = _counts.get(number, 0) + 1
        if _counts[number] == int(count):
            order.unlink(missing_ok=True)
            os.kill(os.getpid(), signal.SIGKILL)


def _steps_of(waiting: Any, result: object) -> Sequence[str]:  # noqa: ANN401 - of the engine
    """The names of what a transaction is."""
    return [
        name
        for name, step in STEPS.items()
        if step.transaction is waiting.transaction and step.is_it(result, *waiting.args)
    ]


def _mortal(waiting: Any) -> Callable[..., Any]:  # noqa: ANN401 - of the engine
    """Its transaction, which may be the last thing that is done."""

    def transaction(*args: Any) -> Any:  # noqa: ANN401 - as they come
        result = waiting.transaction(*args)
        for name in _steps_of(waiting, result):
            come_to(name, BEFORE)
        return result

    return transaction


def hook(owner: object, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put what `make` makes of it in the place of a function."""
    setattr(owner, name, make(getattr(owner, name)))


def hook_commits() -> None:
    def with_deaths(commit: Callable[..., Any]) -> Callable[..., Any]:
        def commit_and_die(writer: WriterThread, group: list[Any]) -> list[Outcome[Any]]:
            outcomes = commit(writer, [evolve(waiting, transaction=_mortal(waiting)) for waiting in group])
            for waiting, outcome in zip(group, outcomes, strict=True):
                if isinstance(outcome, Value):
                    for name in _steps_of(waiting, cast("Value[Any]", outcome).value):
                        come_to(name, AFTER)
            return outcomes

        return commit_and_die

    hook(WriterThread, "_commit", with_deaths)
    hook(migrate, "_apply", lambda apply: around("migrate", apply, after=False))
    hook(sqlite, "prepare", lambda prepare: around("migrate", prepare, before=False))


def around(
    step: str,
    call: Callable[..., Any],
    is_it: Callable[..., bool] = lambda *_, **__: True,
    *,
    before: bool = True,
    after: bool = True,
) -> Callable[..., Any]:
    """`call`, which is the step where `is_it` says so of its arguments; of a migration, its begin or its end."""

    @wraps(call)
    def mortal(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as they come
        if not is_it(*args, **kwargs):
            return call(*args, **kwargs)
        if before:
            come_to(step, BEFORE)
        result = call(*args, **kwargs)
        if after:
            come_to(step, AFTER)
        return result

    return mortal


def around_async(
    step: str, call: Callable[..., Awaitable[Any]], is_it: Callable[..., bool] = lambda *_, **__: True
) -> Callable[..., Awaitable[Any]]:
    @wraps(call)
    async def mortal(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as they come
        if not is_it(*args, **kwargs):
            return await call(*args, **kwargs)
        come_to(step, BEFORE)
        result = await call(*args, **kwargs)
        come_to(step, AFTER)
        return result

    return mortal


def hook_calls() -> None:
    def confirms(_api: object, method: str, parameters: Mapping[str, object], *_: object) -> bool:
        return method == "getUpdates" and "offset" in parameters

    def is_ready(_line: object, word: str, *_: object) -> bool:
        return word == contract.READY

    def is_of_an_answer(_runs: object, _run_id: str, event: object) -> bool:
        return isinstance(event, Token)

    def acknowledges(data: bytes | memoryview) -> bool:
        return any(word in bytes(data) for word in ACKNOWLEDGED)

    def with_ears(take_over: Callable[..., None]) -> Callable[..., None]:
        def take_over_and_listen(connection: Plain, client: socket.socket) -> None:
            take_over(connection, client)
            hook(connection, "send", lambda send: around("acknowledge", send, acknowledges))

        return take_over_and_listen

    def with_a_bell(make: Callable[..., None]) -> Callable[..., None]:
        def make_with_a_bell(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as they come
            make(*args, **{"tools": (*TOOLS, RingBell()), **kwargs})

        return make_with_a_bell

    hook(Telegram, "send", lambda send: around_async("send", send))
    hook(Api, "call", lambda call: around_async("confirm updates", call, confirms))
    hook(Generation, "drain", lambda drain: around_async("drain", drain))
    hook(Departure, "hand_over", lambda hand_over: around_async("hand over", hand_over))
    hook(Line, "say", lambda say: around("ready", say, is_ready))
    hook(Runs, "publish", lambda publish: around("answer", publish, is_of_an_answer))
    hook(Plain, "__init__", with_ears)
    hook(Agent, "__init__", with_a_bell)


if __name__ == "__main__":
    hook_commits()
    hook_calls()
    policy.BACKOFF_SECONDS = (RETRY_SECONDS,)
    sys.exit(main())
