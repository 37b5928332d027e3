from __future__ import annotations

import pytest

from xopc.channels.backoff import pause_seconds


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (10_000, 60)]
)
def test_a_pause_doubles_up_to_a_minute_with_some_jitter(failures: int, seconds: float) -> None:
    pauses = [pause_seconds(failures) for _ in range(50)]
    assert all(0.9 * seconds <= pause <= 1.1 * seconds for pause in pauses)
    assert len(set(pauses)) > 1
