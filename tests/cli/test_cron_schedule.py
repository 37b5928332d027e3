from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from xopc.cli.cron_schedule import read_schedule, told_next, told_schedule, told_time

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("0 9 * * *", "0 9 * * *"),
        ("every 10m", {"kind": "every", "everyMs": 600_000}),
        ("every 30 s", {"kind": "every", "everyMs": 30_000}),
        ("Every 1d", {"kind": "every", "everyMs": 86_400_000}),
        ("in 2h", {"kind": "at", "at": "2026-11-26T14:00:00+00:00"}),
        ("at 2026-12-24T18:00", {"kind": "at", "at": "2026-12-24T18:00"}),
        ("nonsense", "nonsense"),
    ],
)
def test_short_forms_are_understood_and_all_else_is_left_to_the_gateway(text: str, schedule: object) -> None:
    assert read_schedule(text, NOW) == schedule


@pytest.mark.parametrize("text", ["every", "every day", "in 0h", "every 10", "in -5m"])
def test_what_is_no_span_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no span of time: write 30s, 10m, 2h or 1d"):
        read_schedule(text, NOW)


def test_schedules_are_told_in_a_few_words() -> None:
    assert told_schedule("0 9 * * *", None) == "0 9 * * *"
    assert told_schedule("0 9 * * *", "Europe/Berlin") == "0 9 * * * (Europe/Berlin)"
    assert told_schedule({"kind": "every", "everyMs": 600_000}, None) == "every 10 min"
    at = {"kind": "at", "at": "2026-12-24T18:00:00Z"}
    assert told_schedule(at, None) == f"at {told_time('2026-12-24T18:00:00Z')}"
    assert told_schedule(None, None) == "-"


def test_the_next_run_is_told_as_a_span_and_a_time() -> None:
    then = NOW + timedelta(hours=3, minutes=2)
    assert told_next(then.isoformat(), NOW) == f"in 3 h, {then.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    assert told_next(NOW.isoformat(), NOW).startswith("now, ")
    for nothing in (None, "soon", 5):
        assert told_next(nothing, NOW) == "-"
    assert told_time("soon") == "-"
