from __future__ import annotations

from datetime import UTC, datetime

import pytest

from xopc.contracts.api.logs import LogFilter, instant
from xopc.contracts.convert import structure
from xopc.contracts.errors import InvalidValueError

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T10:00:00Z",
        "2026-11-20T10:00:00.000Z",
        "2026-11-20T10:00",
        "2026-11-20 10:00",
        "2026-11-20T12:00:00+02:00",
        "2026-11-20T12:00:00 02:00",
        "2026-11-20T05:00-0500",
        " 2026-11-20T10:00:00 ",
    ],
)
def test_a_moment_is_utc_unless_it_says_otherwise(text: str) -> None:
    assert instant(text) == TEN


def test_a_day_is_its_first_moment() -> None:
    assert instant("2026-11-20") == datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "1795168800", "2026-13-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"]
)
def test_what_is_no_moment_is_refused_under_the_name_that_it_came_by(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        instant(text)
    with pytest.raises(InvalidValueError) as caught:
        structure({"from": text, "to": text}, LogFilter)
    assert [problem.path for problem in caught.value.problems] == ["$.from", "$.to"]
