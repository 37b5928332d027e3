"""What is told when a restart did not come to a good end."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from xopc.cli.gateway.diagnosis import cures, diagnose
from xopc.cli.gateway.target import find_target
from xopc.service.awaiting import Outcome, Snapshot
from xopc.service.ports import Listener, PortStatus, PortUse
from xopc.service.sight import Mark, Obstacle, Sight, Step
from xopc_supervisor.succession import START_SECONDS

MARK = Mark(4711, "a-boot", 3, datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC))


def seen(last: Sight, *, picked_up: bool = True) -> list[str]:
    return diagnose(find_target(None), MARK, Snapshot(Outcome.TIMEOUT, 2000, last), picked_up=picked_up)


def test_process_port_and_http_are_told(home: Path) -> None:
    use = PortUse(18790, PortStatus.BUSY, (Listener(4711, "127.0.0.1:18790", "xopc gateway", 4711),))
    sight = Sight(Step.PROCESS, "pid 4711 is still restarting", 4711, {"status": "restarting"}, use)
    assert seen(sight) == [
        "Step: process: pid 4711 is still restarting",
        "Process: pid 4711 runs",
        "Port 18790: busy",
        "  Listener: pid=4711 cmd=xopc gateway addr=127.0.0.1:18790",
        "HTTP: http://127.0.0.1:18790/api/health: status restarting",
    ]


def test_a_gateway_that_has_ended_is_told(home: Path) -> None:
    assert seen(Sight(Step.PROCESS, "no gateway runs"), picked_up=False) == [
        "Step: process: no gateway runs",
        "The gateway has not picked the request up.",
        "Process: pid 4711 has ended",
        "HTTP: http://127.0.0.1:18790/api/health: no healthy answer",
    ]


def test_what_the_gateway_logged_meanwhile_is_told(home: Path) -> None:
    def line(time: str, level: str, message: str) -> str:
        return json.dumps({"timestamp": f"2026-01-01T{time}.000Z", "level": level, "message": message, "module": "m"})

    lines = [
        line("11:59:59", "error", "before"),
        "not a line of the gateway",
        '{"level": "error"}',
        line("12:00:00", "error", "first"),
        line("12:00:01", "info", "harmless"),
        line("12:00:01", "warn", "second"),
        line("12:00:02", "fatal", "third\nand more"),
        line("12:00:03", "error", "fourth"),
    ]
    logs = find_target(None).paths.log_dir
    logs.mkdir(parents=True)
    (logs / "app-2026-01-01.log").write_text("".join(f"{text}\n" for text in lines))
    told = [text for text in seen(Sight(Step.HTTP, "x", 4711)) if text.startswith("Log: ")]
    assert len(told) == 3
    for text, word in zip(told, ("second", "third", "fourth"), strict=True):
        assert word in text


def test_state_and_problem_of_the_supervisor_are_told_once() -> None:
    looping = Sight(Step.PROCESS, "pid 4711 is x: no disk", 4711, state="crash-looping", obstacle=Obstacle("no disk"))
    assert "Process: pid 4711 runs (crash-looping)" in seen(looping)
    unknown = Sight(Step.HTTP, "no answer", 4711, state="serving", obstacle=Obstacle("no disk"))
    assert "Process: pid 4711 runs (no disk)" in seen(unknown)


@pytest.mark.parametrize(
    "obstacle",
    [
        "the new process could not take over (exit code 1: no memory); the one before goes on",
        "A new process could not take over, and the one before goes on: exit code 1: no memory",
    ],
)
def test_what_was_seen_is_not_told_again_from_the_log(obstacle: str) -> None:
    told = [
        "exit code 1:\n  no memory.",
        "Restart: the new process could not take over (exit code 1: no memory); the one before goes on.",
        "A new process could not take over, and the one before goes on: exit code 1: no memory",
    ]
    lines = [
        {"timestamp": "2026-01-01T12:00:01.000Z", "level": "error", "message": message, "module": "m"}
        for message in (*told, "Another process could not take over.")
    ]
    logs = find_target(None).paths.log_dir
    logs.mkdir(parents=True)
    (logs / "app-2026-01-01.log").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    sight = Sight(Step.PROCESS, f"pid 4711 still serves: {obstacle}", 4711, obstacle=Obstacle(obstacle))
    (line,) = [text for text in seen(sight) if text.startswith("Log: ")]
    assert "Another process" in line


@pytest.mark.parametrize(
    ("outcome", "state", "words"),
    [
        (Outcome.DECLINED, "serving", "Mend what it says"),
        (Outcome.VERSION_MISMATCH, "serving", "Install the version"),
        (Outcome.STALE_PIDS, "serving", "Another gateway (pid 5)"),
        (Outcome.STOPPED_FREE, None, "Start it: xopc gateway"),
        (Outcome.TIMEOUT, "crash-looping", "It is being tried again"),
        (Outcome.TIMEOUT, "handing-over", f"The new process still prepares, for {START_SECONDS} s at most; until then"),
    ],
)
def test_each_outcome_has_its_cure(outcome: Outcome, state: str | None, words: str) -> None:
    use = PortUse(18790, PortStatus.BUSY, (Listener(5, "127.0.0.1:18790", "xopc gateway", 5),))
    (cure,) = cures(Snapshot(outcome, 1, Sight(Step.PROCESS, "", 4711, port_use=use, state=state)))
    assert words in cure


def test_where_only_the_log_can_tell_there_is_no_other_cure() -> None:
    assert cures(Snapshot(Outcome.TIMEOUT, 1, Sight(Step.HTTP, "", 4711, state="serving"))) == []
