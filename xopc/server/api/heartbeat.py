"""The heartbeat: how it stands, a beat on demand, and the file that it follows."""

from __future__ import annotations

from http import HTTPStatus

import trio

from xopc.contracts.api.heartbeat import (
    HeartbeatBeat,
    HeartbeatScheduled,
    HeartbeatSkip,
    HeartbeatState,
    HeartbeatTrigger,
    TasksChange,
    TasksChanged,
    TasksContent,
    TasksName,
    TasksShown,
)
from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure, XopcError
from xopc.core.heartbeat.heart import DISABLED
from xopc.core.heartbeat.tasks_file import TasksFileError, read_tasks, write_tasks
from xopc.server.api import heartbeat_examples
from xopc.server.api.times import iso_utc
from xopc.server.routes import Call, Route

BY_HAND = "trigger"
"""The reason where the caller gives none."""


async def _show(call: Call[None]) -> HeartbeatState:
    settings = call.services.heartbeat.settings
    pulse = await call.services.heartbeat.pulse()
    last, skipped = pulse.last, pulse.skipped
    return HeartbeatState(
        enabled=settings.enabled,
        interval_ms=settings.interval_ms,
        target=settings.target or None,
        target_chat_id=str(settings.target_chat_id or "") or None,
        next_at=None if pulse.next_at is None else iso_utc(pulse.next_at),
        last=last and HeartbeatBeat(iso_utc(last.begun_at), last.reason, last.session_key, last.run_id, last.state),
        skipped=skipped and HeartbeatSkip(iso_utc(skipped.at), skipped.reason, skipped.why),
    )


async def _trigger(call: Call[HeartbeatTrigger]) -> HeartbeatScheduled:
    if not call.services.heartbeat.settings.enabled:
        raise XopcError(Failure.CONFLICT, f"There is no heartbeat: {DISABLED}.")
    # The reason becomes part of a line in the log.
    printable = "".join(character if character.isprintable() else " " for character in call.body.reason or "")
    await call.services.heartbeat.wake(printable.strip() or BY_HAND)
    return HeartbeatScheduled(True)


async def _read(call: Call[None]) -> TasksShown:
    try:
        text = await trio.to_thread.run_sync(read_tasks, call.services.heartbeat.workspace)
    except TasksFileError as error:
        raise XopcError(Failure.CONFLICT, str(error)) from error
    return TasksShown(TasksContent(text or ""))


async def _write(call: Call[TasksChange]) -> TasksChanged:
    try:
        await trio.to_thread.run_sync(write_tasks, call.services.heartbeat.workspace, call.body.content)
    except TasksFileError as error:
        raise XopcError(Failure.CONFLICT, str(error)) from error
    return TasksChanged(TasksName())


HEARTBEAT = Route(
    method="GET",
    path="/api/heartbeat",
    summary="How the heartbeat stands: the last beat, the next one, and what was left out, and why.",
    scope=Scope.READ,
    handler=_show,
    response=HeartbeatState,
    response_examples={HTTPStatus.OK: heartbeat_examples.STATE},
)
HEARTBEAT_TRIGGER = Route(
    method="POST",
    path="/api/heartbeat/trigger",
    summary="Have the agent look after what HEARTBEAT.md says, as soon as nobody is talking.",
    scope=Scope.WRITE,
    handler=_trigger,
    request=HeartbeatTrigger,
    request_examples={"reason": {"reason": "back from lunch"}},
    response=HeartbeatScheduled,
    response_examples={HTTPStatus.OK: HeartbeatScheduled(True)},
    errors=(Failure.CONFLICT,),
)
TASKS = Route(
    method="GET",
    path="/api/workspace/heartbeat-md",
    summary="HEARTBEAT.md: what the agent is to look after by itself.",
    scope=Scope.READ,
    handler=_read,
    response=TasksShown,
    response_examples={HTTPStatus.OK: heartbeat_examples.SHOWN},
    errors=(Failure.CONFLICT,),
)
TASKS_CHANGE = Route(
    method="PUT",
    path="/api/workspace/heartbeat-md",
    summary="Write HEARTBEAT.md anew, whole or not at all.",
    scope=Scope.WRITE,
    handler=_write,
    request=TasksChange,
    request_examples={"a task": {"content": heartbeat_examples.TASKS}},
    response=TasksChanged,
    response_examples={HTTPStatus.OK: TasksChanged(TasksName())},
    errors=(Failure.CONFLICT,),
)
