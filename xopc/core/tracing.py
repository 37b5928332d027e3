"""The way of a message as a list of steps: what the database knows of it and what the log tells, in one order."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from xopc.contracts.api.trace import StepKind, Trace, Traces, TraceStep
from xopc.contracts.messages import OutboxRow, OutboxState
from xopc.contracts.transcript import Entry, Role
from xopc.core.logs.entry import Entry as LogEntry, moment_of
from xopc.core.logs.traced import MESSAGE_NAMES, RUN_NAMES, find_lines, related
from xopc.core.outbox.delivery import SENT
from xopc.core.sessions.turns import ENDED
from xopc.storage.transactions.traces import StoredRun, StoredTrace

_KINDS = {OutboxState.SENT: StepKind.SENT, OutboxState.DEAD: StepKind.DEAD, OutboxState.CANCELLED: StepKind.CANCELLED}
_OWN = frozenset({"timestamp", "level", "message", "module"})


@frozen
class _Step:
    at: float
    kind: StepKind
    text: str
    details: dict[str, Any]


def ids_of(found: Iterable[StoredTrace]) -> set[str]:
    """The runs and messages of traces, by which the log names them."""
    ids: set[str] = set()
    for trace in found:
        ids |= {trace.run.run_id} if trace.run else set()
        ids |= {row.id for row in trace.outbox} | {row.run_id for row in trace.outbox if row.run_id}
    return ids


def assemble(found: StoredTrace, lines: Sequence[LogEntry]) -> Trace:
    """The trace of what is stored, with those of `lines` that tell of it."""
    run, rows = found.run, found.outbox
    ids, known = ids_of([found]), {SENT} | ({ENDED} if run and run.finished_at else set[str]())
    steps = list(_of_run(run)) if run else []
    for row in rows:
        steps += _of_row(row)
    told = [line for line in lines if _tells_of(line, ids) and line["message"] not in known]
    steps += [step for line in told if (step := _of_line(line)) is not None]
    run_id = run.run_id if run else next((row.run_id for row in rows), None)
    return _trace(
        run_id,
        steps,
        session_key=run.session_key if run else None,
        dedupe_key=run.dedupe_key if run else None,
        message_ids=tuple(row.id for row in rows),
        state=_state(run) if run else rows[0].state.value,
    )


def traced(found: Sequence[StoredTrace], wanted: str, directory: Path) -> Generator[None, None, Traces]:
    """The ways of what was found under an id, with what the log tells of them; where nothing was found, of what the log
    alone still knows. In steps (`in_steps`).

    Raises:
        OSError: the directory of the log cannot be read.
    """
    if found:
        began = datetime.fromtimestamp(min(one.began_at for one in found), UTC).date()
        told = yield from find_lines(directory, ids_of(found), began)
        return Traces(tuple(assemble(one, told.lines) for one in found), told.is_complete)
    told = yield from find_lines(directory, {wanted})
    if told.lines:
        told = yield from find_lines(directory, {wanted, *related(told.lines)})
    return Traces(tuple(_from_log(lines) for lines in _by_run(told.lines)), told.is_complete)


def _by_run(lines: Sequence[LogEntry]) -> list[list[LogEntry]]:
    """Lines that belong together: to a run and its answers, or to a message that no run has made."""
    runs = {_first(line, MESSAGE_NAMES): run for line in lines if (run := _first(line, RUN_NAMES))}
    groups: dict[str | None, list[LogEntry]] = {}
    for line in lines:
        message = _first(line, MESSAGE_NAMES)
        groups.setdefault(_first(line, RUN_NAMES) or runs.get(message) or message, []).append(line)
    return [group for key, group in groups.items() if key and any(moment_of(line) for line in group)]


def _from_log(lines: Sequence[LogEntry]) -> Trace:
    steps = [step for line in lines if (step := _of_line(line)) is not None]
    messages = dict.fromkeys(message for line in lines if (message := _first(line, MESSAGE_NAMES)))
    return _trace(
        next(filter(None, (_first(line, RUN_NAMES) for line in lines)), None),
        steps,
        session_key=next(filter(None, (_first(line, ("session",)) for line in lines)), None),
        dedupe_key=next(filter(None, (_first(line, ("dedupeKey",)) for line in lines)), None),
        message_ids=tuple(messages),
        state=next(filter(None, (_first(line, ("state",)) for line in reversed(lines))), "unknown"),
    )


def _first(line: LogEntry, names: Iterable[str]) -> str | None:
    return next((str(line[name]) for name in names if isinstance(line.get(name), str)), None)


def _trace(run_id: str | None, steps: list[_Step], **more: Any) -> Trace:  # noqa: ANN401  fields of the class
    steps.sort(key=lambda step: step.at)
    told: list[TraceStep] = []
    for number, step in enumerate(steps):
        after = round((step.at - steps[number - 1].at) * 1000) if number else None
        told.append(TraceStep(_iso(step.at), step.kind, step.text, after, step.details))
    total = round((steps[-1].at - steps[0].at) * 1000) if steps else 0
    return Trace(run_id=run_id, total_ms=total, steps=tuple(told), **more)


def _state(run: StoredRun) -> str:
    if run.parked_at is not None:
        return "parked"
    if run.result is not None:
        return run.result.state.value
    return "waiting" if run.boot_id is None else "running"


def _of_run(run: StoredRun) -> Iterator[_Step]:
    address = run.inbound.address if run.inbound else None
    details = {
        "channel": address and address.channel,
        "accountId": address and address.account,
        "chatId": address and address.chat,
        "platformMessageId": run.inbound and run.inbound.message_id,
        "dedupeKey": run.dedupe_key,
    }
    where = f" from {address.channel}" if address else ""
    yield _Step(run.accepted_at, StepKind.ACCEPTED, f"Accepted{where}", details)
    for entry in run.steps:
        yield _of_entry(entry, run)
    if run.finished_at is None:
        return
    result = run.result
    details = {
        "state": _state(run),
        "attempts": run.attempts,
        "model": result and result.model,
        "inputTokens": result.usage.input if result else 0,
        "outputTokens": result.usage.output if result else 0,
        "error": (result and result.error) or run.last_error,
    }
    why = f": {details['error']}" if details["error"] else ""
    yield _Step(run.finished_at, StepKind.ENDED, f"The turn has ended ({details['state']}){why}", details)


def _of_entry(entry: Entry, run: StoredRun) -> _Step:
    message = entry.message
    if message.role is Role.USER:
        process = f" by boot {run.boot_id}" if run.boot_id else ""
        return _Step(entry.at, StepKind.BEGUN, f"Taken up{process}", {"bootId": run.boot_id, "seq": entry.seq})
    if message.role is Role.TOOL:
        how = "has failed" if message.is_error else "has answered"
        details = {"tool": message.tool_name, "callId": message.tool_call_id, "isError": message.is_error}
        return _Step(entry.at, StepKind.TOOL, f"{message.tool_name} {how}", {**details, "seq": entry.seq})
    tools = [call.name for call in message.tool_calls]
    wish = f", and calls {', '.join(tools)}" if tools else ""
    usage = message.usage
    details = {
        "model": message.model,
        "tools": tools,
        "characters": len(message.content),
        "inputTokens": usage.input if usage else None,
        "outputTokens": usage.output if usage else None,
    }
    text = f"{message.model or 'The model'} has answered with {len(message.content)} characters{wish}"
    return _Step(entry.at, StepKind.MODEL, text, {**details, "seq": entry.seq})


def _of_row(row: OutboxRow) -> Iterator[_Step]:
    address = row.outbound.address
    to = {"messageId": row.id, "channel": address.channel, "accountId": address.account, "chatId": address.chat}
    waits = "" if row.settled_at is not None else f", and is {row.state.value}"
    why = f" after {row.attempts} attempts: {row.last_error}" if waits and row.last_error else ""
    details = {**to, "state": row.state.value, "attempts": row.attempts, "lastError": row.last_error}
    yield _Step(row.created_at, StepKind.QUEUED, f"{row.id} is to be sent to {address.channel}{waits}{why}", details)
    if row.settled_at is None:
        return
    kind = _KINDS[row.state]
    twice = ", perhaps twice" if row.possible_duplicate else ""
    texts = {
        StepKind.SENT: f"{row.id} was sent to {address.channel} at attempt {row.attempts}{twice}",
        StepKind.DEAD: f"{row.id} was given up after {row.attempts} attempts: {row.last_error}",
        StepKind.CANCELLED: f"{row.id} was taken back",
    }
    details = {
        **to,
        "attempts": row.attempts,
        "platformMessageIds": list(row.platform_ids),
        "error": row.last_error if kind is StepKind.DEAD else None,
        "errorClass": row.error_class and row.error_class.value if kind is StepKind.DEAD else None,
        "possibleDuplicate": row.possible_duplicate,
    }
    yield _Step(row.settled_at, kind, texts[kind], details)


def _of_line(line: LogEntry) -> _Step | None:
    at = moment_of(line)
    if at is None:
        return None
    more = {name: value for name, value in line.items() if name not in _OWN}
    details = {"level": line["level"], "module": line.get("module"), **more}
    return _Step(at.timestamp(), StepKind.LOGGED, f"{line['level']}: {line['message']}", details)


def _tells_of(line: LogEntry, ids: set[str]) -> bool:
    return any(line.get(name) in ids for name in (*RUN_NAMES, *MESSAGE_NAMES))


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
