"""When a job is due next: a pure function of its schedule, its time zone and a moment.

A cron expression speaks of the clock on the wall, which is set twice a year. Times that are skipped then are due once,
when the gap is over; times that come twice are due the first time. A job whose hour begins with `*` is due every hour
or every few: it goes by the hours that pass, so it neither pauses for an hour nor makes up for one that never was.

cronsim finds the times on a wall whose clock is never set, and what a time zone makes of them is said here. Its own
rules for that hold for five fields alone, and not for a minute with a star; ours hold for all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from xopc.contracts.cron import Schedule, ScheduleKind

MAX_EXPR_CHARS = 200


class ScheduleError(Exception):
    """A schedule that is not understood, or that never comes. Its text says why."""


def next_run(schedule: Schedule, zone: ZoneInfo, after: float) -> float | None:
    """The first time after a moment that a job is due, in seconds since the epoch; None where there is none.

    Raises:
        ScheduleError: the expression is none, or no time fits it.
    """
    match schedule.kind:
        case ScheduleKind.CRON:
            return next_cron(schedule.expr or "", zone, after)
        case ScheduleKind.AT:
            return schedule.at if schedule.at is not None and schedule.at > after else None
        case ScheduleKind.EVERY:
            return after + (schedule.every_ms or 0) / 1000


def following(schedule: Schedule, zone: ZoneInfo, due: float, now: float) -> float | None:
    """The time after `now` that a job is due, once it has been due; of `every`, in step with the time before.

    Raises:
        ScheduleError: as `next_run`.
    """
    if schedule.kind is not ScheduleKind.EVERY:
        return next_run(schedule, zone, max(now, due))
    span = (schedule.every_ms or 0) / 1000
    steps = max(math.floor((now - due) / span) + 1, 1)
    return due + steps * span if due + steps * span > now else due + (steps + 1) * span


def next_cron(expr: str, zone: ZoneInfo, after: float) -> float:
    """The first time after a moment that fits a cron expression of five fields, or of six with the seconds first.

    Raises:
        ScheduleError: it is none, or no time fits it.
    """
    local = datetime.fromtimestamp(math.floor(after), zone)
    by_hours = _goes_by_hours(expr)
    if by_hours and not local.fold and (again := _again(expr, local, zone)) is not None:
        return again
    for wall in _walls(expr, local):
        moment = _moment(wall, zone, local.fold if by_hours else 0, by_hours=by_hours)
        if moment is not None and moment > after:
            return moment
    raise ScheduleError("no time fits it")


def _walls(expr: str, local: datetime) -> Iterator[datetime]:
    """The times that fit after a local one, on a clock that is never set."""
    if len(expr) > MAX_EXPR_CHARS:
        raise ScheduleError(f"it is longer than {MAX_EXPR_CHARS} characters")
    try:
        yield from CronSim(expr, local.replace(tzinfo=None, fold=0))
    except CronSimError as error:
        raise ScheduleError(_explained(error)) from None
    except OverflowError:  # beyond the year 9999
        return


def _goes_by_hours(expr: str) -> bool:
    fields = expr.split()
    return len(fields) in (5, 6) and fields[-4] in ("*", "*/1")


def _moment(wall: datetime, zone: ZoneInfo, fold: int, *, by_hours: bool) -> float | None:
    """When it is this late in a zone: of a time that comes twice, the `fold`-th; of one that is skipped, the end of the
    gap, or None for a job that goes `by_hours`."""
    moment = wall.replace(tzinfo=zone, fold=fold).timestamp()
    if datetime.fromtimestamp(moment, zone).replace(tzinfo=None, fold=0) == wall:
        return moment
    return None if by_hours else _end_of_gap(wall, zone)


def _end_of_gap(wall: datetime, zone: ZoneInfo) -> float:
    """The moment at which the clock was set forward over a time that never was."""
    # PEP 495: with fold=1 the offset after the gap is taken, and gives a moment before it; with fold=0 the other way.
    early = int(wall.replace(tzinfo=zone, fold=1).timestamp())
    late = int(wall.replace(tzinfo=zone, fold=0).timestamp())
    before = datetime.fromtimestamp(early, zone).utcoffset()
    while late - early > 1:
        middle = (early + late) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return float(late)


def _again(expr: str, local: datetime, zone: ZoneInfo) -> float | None:
    """For a moment in an hour that comes a second time: the next time that fits, if that is in the second one."""
    set_back = _set_back(local)
    if not set_back:
        return None
    first = next(_walls(expr, local), None)
    if first is not None and _set_back(first.replace(tzinfo=zone)):
        return None  # it is still in the first
    for wall in _walls(expr, local - set_back):
        if _set_back(wall.replace(tzinfo=zone)):
            return wall.replace(tzinfo=zone, fold=1).timestamp()
        if wall > local.replace(tzinfo=None):
            return None
    return None


def _set_back(local: datetime) -> timedelta:
    """By how much a clock is set back after a local time, where that time comes a second time; else nothing."""
    first, second = (local.replace(fold=fold).utcoffset() or timedelta(0) for fold in (0, 1))
    return max(first - second, timedelta(0))


def _explained(error: CronSimError) -> str:
    text = str(error)
    if text.startswith("Bad "):
        return f"the {text.removeprefix('Bad ')} is none, or never comes"
    return "it must have five fields (minute, hour, day of month, month, day of week), or six with the seconds first"
