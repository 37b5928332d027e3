"""`xopc logs trace`: where a message was when, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from cyclopts import Parameter

from xopc.cli.answer import read_answer
from xopc.cli.gateway.target import Target, find_target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import fail, one_line, print_json, without_controls
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.contracts.api.trace import Trace, Traces

TIMEOUT_SECONDS = 60.0
"""The gateway may have to look through all of its log."""
MAX_TEXT_CHARS = 300


def trace(
    message: Annotated[
        str,
        Parameter(
            name="ID", help="Of a run, of a message of the outbox, of a request (its Idempotency-Key), or a platform's."
        ),
    ],
    /,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Tell the whole way of a message, from its arrival to its delivery.

    A gateway does not have to run for it. docs/how-to/follow-a-message.md says how to read it.
    """
    from xopc.contracts.api.trace import Traces
    from xopc.contracts.convert import unstructure

    if not message.strip():
        return fail("Say which message: give the id of a run, of a message, or a platform's.", as_json=as_json)
    target = find_target(config)
    if target.owner is not None:
        body = target.client(TIMEOUT_SECONDS).get(f"/api/trace/{quote(message, safe='')}")
        traces = read_answer(body, Traces)
    else:
        traces = _look(target, message)
        body = unstructure(traces)
    if not traces.traces:
        what = f"No message has the id {one_line(message, MAX_TEXT_CHARS)}."
        hint = "What was answered is known for a day, and then by the log alone: xopc gateway logs"
        return fail(what, as_json=as_json, hints=[hint])
    if as_json:
        print_json({"ok": True, **body})
    else:
        _tell(traces)
    return EXIT_OK


def _look(target: Target, wanted: str) -> Traces:
    """What the files say where no gateway runs.

    Raises:
        XopcError: the database cannot be read.
    """
    from xopc.contracts.errors import Failure, XopcError
    from xopc.core.tracing import traced
    from xopc.storage.base import StorageError
    from xopc.storage.transactions.traces import StoredTrace, read_traces

    found: list[StoredTrace] = []
    if target.paths.database.exists():
        try:
            found = read_traces(target.paths.database, wanted)
        except StorageError as error:
            cure = (
                "It may be of an older version, which the gateway changes at its next start: start it, and try again."
            )
            raise XopcError(Failure.CONFLICT, f"{target.paths.database}: {error}. {cure}") from error
    steps = traced(found, wanted, target.paths.log_dir)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def _tell(traces: Traces) -> None:
    for number, one in enumerate(traces.traces):
        if number:
            print()
        _tell_one(one)
    if not traces.is_log_complete:
        print("⚠️ The log is too long to be looked through as a whole: older lines may be missing.")


def _tell_one(one: Trace) -> None:
    print(f"🧭 {without_controls(one.run_id or one.message_ids[0])}: {one.state}, {_seconds(one.total_ms)} in all")
    if one.session_key is not None:
        print(f"   session {without_controls(one.session_key)}")
    for step in one.steps:
        at = datetime.fromisoformat(step.at).astimezone()
        after = "" if step.after_ms is None else f"+{_seconds(step.after_ms)}"
        text = one_line(step.text, MAX_TEXT_CHARS)
        print(f"   {at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}  {after:>10}  {step.kind.value:<9}  {text}")


def _seconds(milliseconds: int) -> str:
    """`12 ms`, `3.4 s`, `125 s`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"
