"""What one look at a gateway tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.fakes.web_server import serving
from xopc.client.http import Client
from xopc.service.sight import Mark, Obstacle, obstacle_of
from xopc_supervisor.contract import LockInfo

NOW = datetime(2026, 1, 1, 12, 0, 0, 500_000, UTC)
DECLINED = "the new process could not take over (no memory); the one before goes on"
SAME: dict[str, Any] = {"pid": 1, "bootId": "b", "generation": 3, "startedAt": "2026-01-01T11:00:00.000Z"}


def a_mark(boot_id: str | None = "b", generation: int | None = 3, at: datetime = NOW) -> Mark:
    return Mark(1, boot_id, generation, at)


@pytest.mark.parametrize("changed", [{"pid": 2}, {"bootId": "c"}, {"generation": 4}, {"generation": 1}])
def test_another_process_boot_or_generation_is_a_restart(changed: dict[str, object]) -> None:
    assert a_mark().is_left_behind({**SAME, **changed})


def test_the_same_process_and_generation_is_none() -> None:
    assert not a_mark().is_left_behind(SAME)
    assert not a_mark(boot_id=None).is_left_behind({**SAME, "bootId": "c"})


@pytest.mark.parametrize(
    ("started", "restarted"),
    [
        ("2026-01-01T12:00:00.499Z", False),
        ("2026-01-01T12:00:00.500Z", True),
        ("2026-01-01T13:00:01.000+01:00", True),
        ("2026-01-01T12:00:01.000", False),
        ("soon", False),
        (None, False),
    ],
)
def test_without_a_known_generation_its_start_decides(started: str | None, restarted: bool) -> None:
    mark = a_mark(generation=None, at=NOW + timedelta(microseconds=300))
    assert mark.is_left_behind({**SAME, "startedAt": started}) is restarted


def test_of_several_refusals_the_last_one_is_told() -> None:
    dated = {
        "hand-over": "2026-01-01T12:00:01.000Z",
        "configuration": "2026-01-01T12:00:02.000Z",
        "storage": "2026-01-01T12:00:03.000Z",
    }
    problems = [{"code": code, "message": code, "since": since} for code, since in dated.items()]
    info = LockInfo(1, None, "", "", problem=DECLINED)
    with serving({"/api/status": (200, {"problems": problems})}) as url:
        found = obstacle_of(info, {"problems": list(dated)}, Client(url))
    assert found == Obstacle("configuration", dated["configuration"])
    with serving({"/api/status": (401, {})}) as url:
        assert obstacle_of(info, {"problems": list(dated)}, Client(url)) == Obstacle(DECLINED)


def test_a_refusal_that_is_over_when_it_is_asked_about_declines_nothing() -> None:
    info = LockInfo(1, None, "", "", problem=DECLINED)
    with serving({"/api/status": (200, {"problems": []})}) as url:
        assert obstacle_of(info, {"problems": ["configuration"]}, Client(url)) == Obstacle()
