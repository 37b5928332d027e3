from __future__ import annotations

from typing import Any

import pytest

from xopc.contracts.convert import structure
from xopc.contracts.errors import InvalidValueError
from xopc.contracts.settings.heartbeat import ActiveHours, HeartbeatSettings


def test_without_a_word_it_beats_each_half_hour_and_tells_nobody() -> None:
    settings = HeartbeatSettings()
    assert (settings.enabled, settings.interval_ms, settings.ack_max_chars) == (True, 1_800_000, 300)
    assert (settings.target, settings.target_chat_id, settings.active_hours) == (None, None, None)
    assert not settings.isolated_session


def test_a_whole_section_is_read() -> None:
    section = {
        "enabled": False,
        "intervalMs": 60000,
        "target": "telegram",
        "targetChatId": -100123,
        "targetAccountId": "work",
        "prompt": "Look after the plants.",
        "ackMaxChars": 0,
        "isolatedSession": True,
        "activeHours": {"start": "22:00", "end": "06:30", "timezone": "Europe/Berlin"},
    }
    settings = structure(section, HeartbeatSettings)
    assert (settings.target_chat_id, settings.target_account_id) == (-100123, "work")
    assert settings.active_hours == ActiveHours("22:00", "06:30", "Europe/Berlin")


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ({"intervalMs": 999}, "$.intervalMs"),
        ({"intervalMs": 604_800_001}, "$.intervalMs"),
        ({"intervalMs": "30m"}, "$.intervalMs"),
        ({"ackMaxChars": -1}, "$.ackMaxChars"),
        ({"prompt": "x" * 20_001}, "$.prompt"),
        ({"targetChatId": True}, "$.targetChatId"),
        ({"activeHours": {"start": "8:00", "end": "22:00"}}, "$.activeHours.start"),
        ({"activeHours": {"start": "08:00", "end": "24:01"}}, "$.activeHours.end"),
        ({"activeHours": {"start": "08:00"}}, "$.activeHours.end"),
    ],
)
def test_what_cannot_be_is_refused_with_its_path(section: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        structure(section, HeartbeatSettings)
    assert [problem.path for problem in caught.value.problems] == [path]


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "America", "../../etc/passwd", "/etc/localtime", "UTC\x00", "x" * 300]
)
def test_a_zone_that_there_is_not_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="no time zone that this machine knows"):
        ActiveHours("08:00", "22:00", zone)


@pytest.mark.parametrize("zone", [None, "", " ", "UTC", "Asia/Kolkata"])
def test_an_empty_zone_is_that_of_the_machine(zone: str | None) -> None:
    assert ActiveHours("08:00", "24:00", zone).timezone == zone
