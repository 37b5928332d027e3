from __future__ import annotations

import pytest

from xopc.contracts.convert import structure
from xopc.contracts.errors import InvalidValueError
from xopc.contracts.settings.cron import CronSettings


def test_without_any_key_jobs_run_in_utc() -> None:
    assert structure({}, CronSettings) == CronSettings(
        enabled=True,
        max_concurrent_jobs=5,
        default_timezone="UTC",
        history_retention_days=7,
        enable_metrics=True,
    )


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("maxConcurrentJobs", 0, "must be 1 to 64"),
        ("maxConcurrentJobs", 65, "must be 1 to 64"),
        ("historyRetentionDays", 0, "must be 1 to 3650"),
        ("defaultTimezone", "Mars/Olympus", "must be a time zone of the IANA database"),
        ("enabled", "yes", "must be true or false"),
    ],
)
def test_what_cannot_be_is_refused_by_its_path(key: str, value: object, what: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        structure({key: value}, CronSettings)
    assert f"$.{key}: {what}" in str(refused.value)
