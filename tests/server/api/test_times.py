from __future__ import annotations

from xopc.server.api.times import iso_utc


def test_a_time_has_milliseconds_and_is_in_utc() -> None:
    assert iso_utc(1795168800.1239) == "2026-11-20T10:00:00.123Z"
    assert iso_utc(0) == "1970-01-01T00:00:00.000Z"
