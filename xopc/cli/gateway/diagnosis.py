"""What is told when a restart did not come to a good end: process, port, HTTP, and the gateway's own log."""

from __future__ import annotations

import json
import re

from xopc.cli.gateway.logs import for_people
from xopc.cli.gateway.target import Target
from xopc.service.awaiting import Outcome, Snapshot
from xopc.service.health import HANDING_OVER, HEALTH_PATH
from xopc.service.log_tail import last_lines
from xopc.service.sight import UNDER_WAY, Mark, Sight

LOG_LINES = 200
"""How many of the last lines are looked through for trouble."""
TROUBLES_TOLD = 3
PREPARATION_SECONDS = 120
"""How long a supervisor that is `HANDING_OVER` waits for the new process."""
_REASON = re.compile(r" could not take over \((.+)\); |: (.+)$")
"""What the sentences of supervisor and gateway about one failure have in common."""


def diagnose(target: Target, mark: Mark, snapshot: Snapshot, *, picked_up: bool) -> list[str]:
    """What was seen last, line by line, the step that failed first."""
    last = snapshot.last
    lines = [f"Step: {last.failed.value if last.failed else '-'}: {' '.join(last.detail.split())}"]
    if not picked_up:
        lines.append("The gateway has not picked the request up.")
    ended = f"pid {mark.pid} has ended" if mark.pid else "none has come"
    lines.append(f"Process: {_process(last) if last.pid else ended}")
    if last.port_use is not None:
        lines += last.port_use.to_text()
    status = f"status {last.health.get('status')}" if last.health else "no healthy answer"
    lines.append(f"HTTP: {target.url}{HEALTH_PATH}: {status}")
    lines += [f"Log: {line}" for line in _trouble_since(target, mark, last)]
    return lines


def cures(snapshot: Snapshot) -> list[str]:
    """What to do about a restart that ended like this; the log may tell more."""
    last = snapshot.last
    match snapshot.outcome:
        case Outcome.DECLINED:
            return ["Mend what it says, and restart again: xopc gateway restart --wait 30s"]
        case Outcome.VERSION_MISMATCH:
            return ["Install the version that you expect, and restart again: the installed one is started."]
        case Outcome.STALE_PIDS:
            pids = ", ".join(map(str, last.foreign_gateways))
            return [f"Another gateway (pid {pids}) has the port: stop that one, or set another gateway.port."]
        case Outcome.STOPPED_FREE:
            return ["Start it: xopc gateway"]
        case Outcome.TIMEOUT if last.state == HANDING_OVER:
            what = f"The new process still prepares, for {PREPARATION_SECONDS} s at most; until then this one serves."
            return [f"{what} Look how it goes on: xopc gateway status"]
        case Outcome.TIMEOUT if last.pid is not None and last.state in UNDER_WAY:
            return ["It is being tried again. Look how it goes on: xopc gateway status"]
        case _:
            return []


def _process(last: Sight) -> str:
    state = None if last.state == "serving" else last.state
    message = last.obstacle.message if last.obstacle else ""
    problem = None if message in last.detail else message
    known = [text for text in (state, problem) if text]
    return f"pid {last.pid} runs" + (f" ({': '.join(known)})" if known else "")


def _trouble_since(target: Target, mark: Mark, last: Sight) -> list[str]:
    """The last warnings and errors that were logged after the restart was asked for, and tell more than was seen."""
    since = mark.at.replace(tzinfo=None).isoformat(timespec="milliseconds")
    found: list[str] = []
    for line in last_lines(target.paths.log_dir, LOG_LINES):
        try:
            fields = json.loads(line)
            is_trouble = fields["level"] in ("warn", "error", "fatal") and str(fields["timestamp"]) >= since
            if is_trouble and not _is_told(str(fields["message"]), last):
                found += for_people(line).splitlines()[:1]
        except (ValueError, TypeError, KeyError):
            continue  # not a line of the gateway
    return found[-TROUBLES_TOLD:]


def _is_told(message: str, last: Sight) -> bool:
    """Whether what was seen says the same as a line of the log."""
    logged, seen = " ".join(message.split()), " ".join(last.detail.split())
    obstacle = " ".join(last.obstacle.message.split()) if last.obstacle else ""
    match = _REASON.search(obstacle)
    reason = (match[1] or match[2]) if match else obstacle
    return logged.rstrip(".") in seen or bool(reason and reason in logged)
