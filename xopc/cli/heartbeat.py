"""`xopc heartbeat`: whether the agent looks by itself whether something needs attention, and what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from xopc.cli.answer import read_answer
from xopc.cli.gateway.target import find_target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import ago, as_typed, duration, one_line, print_json, seconds_since, without_controls
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.contracts.api.heartbeat import HeartbeatState

HEARTBEAT_PATH = "/api/heartbeat"
TASKS_PATH = "/api/workspace/heartbeat-md"
TIMEOUT_SECONDS = 10.0
MAX_CHARS = 200

app = App(name="heartbeat", help="Have the agent look by itself whether something needs attention.")


@app.command
def status(*, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Show the last beat, the next one, and why there was none."""
    body = find_target(config).client(TIMEOUT_SECONDS).get(HEARTBEAT_PATH)
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api.heartbeat import HeartbeatState

    print("\n".join(_description(read_answer(body, HeartbeatState))))
    return EXIT_OK


@app.command
def trigger(
    *,
    reason: Annotated[str | None, Parameter(help="For the log and for the agent, up to 120 characters.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Have it look now, or as soon as nobody is talking to the agent."""
    body = find_target(config).client(TIMEOUT_SECONDS).post(f"{HEARTBEAT_PATH}/trigger", {"reason": reason})
    if as_json:
        print_json({"ok": True, **body})
        return EXIT_OK
    print("✅ Heartbeat is scheduled")
    print(as_typed("💡 See what came of it: xopc heartbeat status"))
    return EXIT_OK


@app.command
def show(*, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Print HEARTBEAT.md: what it looks after."""
    body = find_target(config).client(TIMEOUT_SECONDS).get(TASKS_PATH)
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api.heartbeat import TasksShown

    content = read_answer(body, TasksShown).payload.content
    if content:
        print(without_controls(content), end="" if content.endswith("\n") else "\n")
    else:
        print("There is no HEARTBEAT.md, or it is empty.")
        print("💡 Write one into the agents' workspace: docs/how-to/let-it-look-by-itself.md")
    return EXIT_OK


def _description(state: HeartbeatState) -> list[str]:
    lines = [f"Heartbeat: every {duration(state.interval_ms / 1000)}" if state.enabled else "Heartbeat: disabled"]
    if state.target is None or state.target_chat_id is None:
        lines.append("   Tells: nobody (gateway.heartbeat.target)")
    else:
        lines.append(f"   Tells: {one_line(f'{state.target}, chat {state.target_chat_id}', MAX_CHARS)}")
    if state.next_at is not None:
        lines.append(f"   Next: {_until(state.next_at)}")
    if state.last is None:
        lines.append("   Last: never")
    else:
        outcome = f", {state.last.state.value}" if state.last.state is not None else ""
        lines.append(f"   Last: {ago(state.last.begun_at)} ({one_line(state.last.reason, MAX_CHARS)}){outcome}")
    if state.skipped is not None:
        why = f"{state.skipped.reason}): {state.skipped.why}"
        lines.append(f"   Skipped: {ago(state.skipped.at)} ({one_line(why, MAX_CHARS)}")
    return lines


def _until(timestamp: str) -> str:
    past = seconds_since(timestamp)
    return "now" if past is None or past >= 0 else f"in {duration(-past)}"
