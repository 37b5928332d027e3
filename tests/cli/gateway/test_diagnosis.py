"""What is told when a restart did not come to a good end."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from xopc.cli.gateway.diagnosis import diagnose
from xopc.cli.gateway.target import find_target
from xopc.service.ports import Listener, PortStatus, PortUse
from xopc.service.probe import Mark, Outcome, Sight, Snapshot, Step

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
