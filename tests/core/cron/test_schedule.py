"""When jobs are due, also where the clock on the wall is set; and croniter, as a second opinion."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import assume, given, settings, strategies as st

from xopc.contracts.cron import Schedule, ScheduleKind
from xopc.core.cron.schedule import ScheduleError, following, next_cron, next_run

BERLIN = ZoneInfo("Europe/Berlin")
UTC_ZONE = ZoneInfo("UTC")
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",  # whose gap is at midnight
    "Asia/Beirut",  # so is this one's
    "Asia/Kolkata",
    "Australia/Lord_Howe",  # set by half an hour
    "Pacific/Apia",  # which left out a day
]


def times(expr: str, zone: ZoneInfo, start: str, count: int = 4) -> list[str]:
    """The first times after a local one, without the year."""
    moment = datetime.fromisoformat(start).replace(tzinfo=zone).timestamp()
    found: list[str] = []
    for _ in range(count):
        moment = next_cron(expr, zone, moment)
        found.append(datetime.fromtimestamp(moment, zone).strftime("%m-%d %H:%M %z"))
    return found


@pytest.mark.parametrize(
    ("expr", "first"),
    [
        ("0 9 * * *", "2026-01-01T09:00:00+01:00"),
        ("30 0 9 * * *", "2026-01-01T09:00:30+01:00"),
        ("*/15 * * * *", "2026-01-01T00:15:00+01:00"),
        ("* * * * * *", "2026-01-01T00:00:01+01:00"),
        ("0 12 * * mon-fri", "2026-01-01T12:00:00+01:00"),
        ("0 0 29 2 *", "2028-02-29T00:00:00+01:00"),
        ("0 0 L * *", "2026-01-31T00:00:00+01:00"),
        ("0 8 * * 1#2", "2026-01-12T08:00:00+01:00"),
        ("  0   9 * *  * ", "2026-01-01T09:00:00+01:00"),
    ],
)
def test_an_expression_has_five_fields_or_six_with_the_seconds_first(expr: str, first: str) -> None:
    midnight = datetime(2026, 1, 1, tzinfo=BERLIN).timestamp()
    assert datetime.fromtimestamp(next_cron(expr, BERLIN, midnight), BERLIN).isoformat() == first


def test_the_next_time_is_later_than_the_moment_itself() -> None:
    nine = datetime(2026, 1, 1, 9, tzinfo=UTC).timestamp()
    assert next_cron("0 9 * * *", UTC_ZONE, nine) == nine + 24 * 3600
    assert next_cron("0 9 * * *", UTC_ZONE, nine + 0.5) == nine + 24 * 3600
    assert next_cron("0 9 * * *", UTC_ZONE, nine - 0.5) == nine


@pytest.mark.parametrize("expr", ["30 2 * * *", "0 30 2 * * *", "30 2-2 * * *"])
def test_a_time_that_is_skipped_is_due_once_when_the_gap_is_over(expr: str) -> None:
    assert times(expr, BERLIN, "2026-03-28T03:00", 2) == ["03-29 03:00 +0200", "03-30 02:30 +0200"]


def test_all_times_of_a_gap_are_due_together_once() -> None:
    assert times("*/10 2 * * *", BERLIN, "2026-03-29T01:00", 2) == ["03-29 03:00 +0200", "03-30 02:00 +0200"]
    assert times("0 0 * * *", ZoneInfo("Asia/Beirut"), "2026-03-28T12:00", 2) == [
        "03-29 01:00 +0300",
        "03-30 00:00 +0300",
    ]


@pytest.mark.parametrize("expr", ["30 2 * * *", "0 30 2 * * *", "30 */2 * * *"])
def test_a_time_that_comes_twice_is_due_the_first_time(expr: str) -> None:
    found = times(expr, BERLIN, "2026-10-25T01:59", 2)
    assert found[0] == "10-25 02:30 +0200"
    assert found[1] != "10-25 02:30 +0100"


def test_a_job_of_every_hour_goes_by_the_hours_that_pass() -> None:
    assert times("30 * * * *", BERLIN, "2026-03-29T01:00", 3) == [
        "03-29 01:30 +0100",
        "03-29 03:30 +0200",
        "03-29 04:30 +0200",
    ]
    assert times("30 * * * *", BERLIN, "2026-10-25T01:59", 3) == [
        "10-25 02:30 +0200",
        "10-25 02:30 +0100",
        "10-25 03:30 +0100",
    ]
    assert times("*/30 * * * *", ZoneInfo("Australia/Lord_Howe"), "2026-04-05T01:01", 4) == [
        "04-05 01:30 +1100",
        "04-05 01:30 +1030",
        "04-05 02:00 +1030",
        "04-05 02:30 +1030",
    ]


def test_a_day_that_a_country_leaves_out_is_made_up_for_when_it_is_over() -> None:
    apia = ZoneInfo("Pacific/Apia")
    assert times("0 9 * * *", apia, "2011-12-29T08:00", 3) == [
        "12-29 09:00 -1000",
        "12-31 00:00 +1400",
        "12-31 09:00 +1400",
    ]


@pytest.mark.parametrize(
    ("expr", "why"),
    [
        ("", "it must have five fields"),
        ("@daily", "it must have five fields"),
        ("* * * *", "it must have five fields"),
        ("* * * * * * *", "it must have five fields"),
        ("61 * * * *", "the minute is none, or never comes"),
        ("0 25 * * *", "the hour is none"),
        ("0 0 30 2 *", "the day-of-month is none, or never comes"),
        ("*/0 * * * *", "the minute is none, or never comes"),
        ("５ * * * *", "the minute is none, or never comes"),
        ("0 0 */31 2 MON#5", "no time fits it"),
        ("0," * 200 + "0 * * * *", "it is longer than 200 characters"),
    ],
)
def test_what_is_no_expression_or_never_comes_is_refused(expr: str, why: str) -> None:
    with pytest.raises(ScheduleError, match=why):
        next_cron(expr, BERLIN, 0)


@given(expr=st.text(max_size=40) | st.text("0123456789*/,-L#W MONDECsun ", max_size=30))
def test_whatever_is_written_is_a_time_or_a_schedule_error(expr: str) -> None:
    with suppress(ScheduleError):
        assert next_cron(expr, BERLIN, 1e9) > 1e9


def test_a_single_time_is_due_before_it_and_never_after() -> None:
    once = Schedule(ScheduleKind.AT, at=100.0)
    assert next_run(once, UTC_ZONE, 99.0) == 100.0
    assert next_run(once, UTC_ZONE, 100.0) is None
    assert following(once, UTC_ZONE, 100.0, 100.5) is None


def test_a_span_begins_now_and_then_keeps_step() -> None:
    every = Schedule(ScheduleKind.EVERY, every_ms=10_000)
    assert next_run(every, UTC_ZONE, 3.0) == 13.0
    assert following(every, UTC_ZONE, 13.0, 13.2) == 23.0
    assert following(every, UTC_ZONE, 13.0, 44.0) == 53.0
    assert following(every, UTC_ZONE, 13.0, 23.0) == 33.0
    assert following(every, UTC_ZONE, 13.0, 5.0) == 23.0, "a clock that was set back gives no time that has been"


@given(span=st.integers(1000, 10**8), due=st.floats(1e9, 2e9), late=st.floats(0, 1e7))
def test_the_time_after_a_span_is_always_later_than_now(span: int, due: float, late: float) -> None:
    every = Schedule(ScheduleKind.EVERY, every_ms=span)
    then = following(every, UTC_ZONE, due, due + late)
    assert then is not None
    assert due + late < then <= due + late + 2 * span / 1000


def fields(least: int, most: int) -> st.SearchStrategy[str]:
    """What may stand in a field: a star, a number, a list, a range, a step."""
    number = st.integers(least, most)
    # croniter takes `5-5` for the whole round from 5 to 5; to cron, and to us, it is 5 alone.
    ranges = st.tuples(number, number).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: f"{pair[0]}-{pair[1]}")
    lists = st.lists(number.map(str), min_size=1, max_size=3).map(",".join)
    steps = st.tuples(st.just("*") | ranges, st.integers(1, 12)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    return st.just("*") | lists | ranges | steps


EXPRESSIONS = st.tuples(
    st.just("0") | fields(0, 59),
    fields(0, 59),
    fields(0, 23),
    st.just("*") | fields(1, 28),
    st.just("*") | fields(1, 12),
    st.just("*"),
)
MOMENTS = st.integers(
    int(datetime(2010, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2030, 1, 1, tzinfo=UTC).timestamp())
)
"""From before Apia left a day out."""


def second_opinion(expr: str, start: datetime) -> datetime:
    """croniter's next time, on a clock that is never set."""
    return croniter(expr, start, second_at_beginning=True).get_next(datetime)


@settings(max_examples=300, deadline=None)
@given(parts=EXPRESSIONS, moment=MOMENTS)
def test_without_a_zone_croniter_finds_the_same_times(parts: tuple[str, ...], moment: int) -> None:
    expr = " ".join(parts)
    expected = second_opinion(expr, datetime.fromtimestamp(moment, UTC).replace(tzinfo=None))
    assert next_cron(expr, UTC_ZONE, moment) == expected.replace(tzinfo=UTC).timestamp()


@settings(max_examples=400, deadline=None)
@given(parts=EXPRESSIONS, moment=MOMENTS, name=st.sampled_from(ZONES))
def test_in_a_zone_they_are_croniters_times_on_the_wall_by_our_rules(
    parts: tuple[str, ...], moment: int, name: str
) -> None:
    """croniter's own rules for a clock that is set are not ours: it moves a skipped time by the width of the gap, and
    has some times twice. So it is asked for the times on a wall whose clock is never set, and each is judged here."""
    expr, zone = " ".join(parts), ZoneInfo(name)
    hour = parts[2]
    assume(hour not in ("*", "*/1"))  # goes by the hours: below
    found = next_cron(expr, zone, moment)
    wall = datetime.fromtimestamp(moment, zone).replace(tzinfo=None, fold=0)
    while True:
        wall = second_opinion(expr, wall)
        first = wall.replace(tzinfo=zone, fold=0)
        due = first.timestamp()
        is_real = datetime.fromtimestamp(due, zone).replace(tzinfo=None, fold=0) == wall
        if not is_real:
            assert found <= due, "no later than the gap's width after its end"
            before = datetime.fromtimestamp(found - 1, zone).utcoffset()
            if before != datetime.fromtimestamp(found, zone).utcoffset():
                return  # the end of the gap
        elif due > moment:
            assert found == due
            return


@settings(max_examples=300, deadline=None)
@given(minute=st.integers(0, 59), moment=MOMENTS, name=st.sampled_from(ZONES))
def test_a_job_of_every_hour_is_due_at_each_moment_at_which_the_wall_says_its_minute(
    minute: int, moment: int, name: str
) -> None:
    zone = ZoneInfo(name)
    at = moment // 60 * 60 + 60
    while datetime.fromtimestamp(at, zone).minute != minute:
        at += 60
    assert next_cron(f"{minute} * * * *", zone, moment) == at


@pytest.mark.parametrize("name", ZONES)
def test_a_daily_job_is_due_once_a_day_the_whole_year(name: str) -> None:
    zone = ZoneInfo(name)
    moment = datetime(2026, 1, 1, tzinfo=zone).timestamp()
    days: list[object] = []
    for _ in range(365):
        moment = next_cron("30 2 * * *", zone, moment)
        days.append(datetime.fromtimestamp(moment, zone).date())
    first = datetime(2026, 1, 1, tzinfo=UTC).date()
    assert days == [first + timedelta(days=number) for number in range(365)]
