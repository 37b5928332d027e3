"""What is told when a restart did not come to a good end: process, port, HTTP, and the gateway's own log."""

from __future__ import annotations

import json

from xopc.cli.gateway.logs import for_people
from xopc.cli.gateway.target import Target
from xopc.service.health import HEALTH_PATH
from xopc.service.log_tail import last_lines
from xopc.service.probe import Mark, Snapshot

LOG_LINES = 200
"""How many of the last lines are looked through for trouble."""
TROUBLES_TOLD = 3


def diagnose(target: Target, mark: Mark, snapshot: Snapshot, *, picked_up: bool) -> list[str]:
    """What was seen last, line by line, the step that failed first."""
    last = snapshot.last
    lines = [f"Step: {last.failed.value if last.failed else '-'}: {last.detail}"]
    if not picked_up:
        lines.append("The gateway has not picked the request up.")
    lines.append(f"Process: pid {last.pid} runs" if last.pid else f"Process: pid {mark.pid} has ended")
    if last.port_use is not None:
        lines += last.port_use.to_text()
    status = f"status {last.health.get('status')}" if last.health else "no healthy answer"
    lines.append(f"HTTP: {target.url}{HEALTH_PATH}: {status}")
    lines += [f"Log: {line}" for line in _trouble_since(target, mark)]
    return lines


def _trouble_since(target: Target, mark: Mark) -> list[str]:
    """The last warnings and errors that were logged after the restart was asked for."""
    since = mark.at.strftime("%Y-%m-%dT%H:%M:%S")
    found: list[str] = []
    for line in last_lines(target.paths.log_dir, LOG_LINES):
        try:
            fields = json.loads(line)
            if fields["level"] in ("warn", "error", "fatal") and str(fields["timestamp"]) >= since:
                found += for_people(line).splitlines()[:1]
        except (ValueError, TypeError, KeyError):
            continue  # not a line of the gateway
    return found[-TROUBLES_TOLD:]
