from __future__ import annotations

import pytest

from xopc.contracts.convert import structure
from xopc.contracts.errors import InvalidValueError
from xopc.contracts.settings.outbox import OutboxSettings


def test_a_message_is_sent_within_a_day_unless_something_else_is_set() -> None:
    assert structure({}, OutboxSettings).ttl_seconds == 24 * 3600
    assert structure({"ttlSeconds": 60}, OutboxSettings).ttl_seconds == 60


@pytest.mark.parametrize("seconds", [0, -1, 30 * 24 * 3600 + 1])
def test_a_time_to_live_that_is_none_is_refused(seconds: int) -> None:
    with pytest.raises(InvalidValueError, match=r"\$\.ttlSeconds: must be 1 to 2592000 seconds"):
        structure({"ttlSeconds": seconds}, OutboxSettings)
