"""`cron` in the configuration file: the scheduler of jobs."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import and_, ge, le

from xopc.contracts.timezones import is_timezone


def _is_timezone(_: object, __: object, name: str) -> None:
    if not is_timezone(name):
        raise ValueError('must be a time zone of the IANA database, such as "Europe/Berlin" or "UTC"')


@frozen
class CronSettings:
    """`cron`: what holds for all jobs."""

    enabled: bool = True
    """Whether jobs run when they are due. If not, they can still be run by hand."""
    max_concurrent_jobs: int = field(default=5, validator=and_(ge(1), le(64)))
    """So many jobs may have an agent at work at once; the others wait."""
    default_timezone: str = field(default="UTC", validator=_is_timezone)
    """Of jobs that name none."""
    history_retention_days: int = field(default=7, validator=and_(ge(1), le(3650)))
    """How long a run is remembered, and a job for once that is over; of one job, the last 500 runs at most."""
    enable_metrics: bool = True
    """Whether `GET /api/cron/metrics` answers."""
