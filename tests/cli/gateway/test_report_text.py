"""What `xopc gateway status` tells a person of what a gateway says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.gateway import configure
from xopc.cli.gateway.report import Report
from xopc.cli.gateway.report_text import text_of
from xopc.cli.gateway.target import find_target
from xopc.client.http import JsonObject
from xopc.service.health import Answer


def text_for(home: Path, details: JsonObject) -> list[str]:
    """The lines about a gateway elsewhere that answers with these details."""
    configure(home)
    health = {"status": "healthy", "service": "xopc-gateway", "version": "0.1.0"}
    answer = Answer(1, health, details)
    return text_of(Report(find_target(None), True, "http://192.0.2.1:18790", 18790, answer, (), None))


STORAGE = {
    "databaseBytes": 12_582_912,
    "walBytes": 0,
    "freeBytes": 0,
    "diskFreeBytes": 41_943_040_000,
    "logBytes": 1_048_576,
    "sessions": 1,
    "messages": 4100,
    "inboxWaiting": 0,
    "outboxWaiting": 0,
    "deadLetters": 0,
}


@pytest.mark.parametrize(
    ("storage", "told"),
    [
        (STORAGE, ["   Storage: 12 MB (1 session, 4100 messages), log 1.0 MB, 41 GB free"]),
        (
            {**STORAGE, "sessions": 2, "inboxWaiting": 3, "deadLetters": 1},
            [
                "   Storage: 12 MB (2 sessions, 4100 messages), log 1.0 MB, 41 GB free",
                "   Waiting: 3 to be answered, 1 given up",
            ],
        ),
        (None, []),
        ("odd", []),
    ],
)
def test_the_room_that_it_takes_is_told(home: Path, storage: object, told: list[str]) -> None:
    text = text_for(home, {"storage": storage})
    assert [line for line in text if line.startswith(("   Storage", "   Waiting"))] == told


@pytest.mark.parametrize(
    ("last", "line"),
    [
        ({"kind": "start", "reason": "start"}, None),
        ({"kind": "crash", "reason": "killed by SIGSEGV", "durationMs": 7}, "crash (killed by SIGSEGV), 7 ms"),
        ({"kind": "respawn", "reason": "fresh memory", "at": "?", "durationMs": None}, "fresh memory"),
        ("odd", None),
    ],
)
def test_a_restart_is_told_as_far_as_it_is_known(home: Path, last: object, line: str | None) -> None:
    text = text_for(home, {"lastRestart": last})
    told = [row for row in text if "Last restart" in row]
    assert told == ([f"   Last restart: {line}"] if line else [])


@pytest.mark.parametrize(
    ("inbox", "line"),
    [
        ({"waiting": 3, "running": 1, "parked": 2}, "   Parked messages: 2 (see: xopc inbox list)"),
        ({"parked": 0}, None),
        ("odd", None),
    ],
)
def test_messages_that_were_given_up_are_counted(home: Path, inbox: object, line: str | None) -> None:
    text = text_for(home, {"inbox": inbox})
    told = [row for row in text if "Parked" in row]
    assert told == ([line] if line else [])
