"""How a service manager is to run a gateway, setting by setting, and what of an installed definition is otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from attrs import frozen

from xopc.service.audit.finding import AGGRESSIVE, RECOMMENDED, Finding
from xopc_supervisor.contract import EXIT_CONFIG

STOP_SECONDS = 10
"""The supervisor kills what has not drained after 6 s; the manager must not be faster."""
_UNIT_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "min": 60.0, "m": 60.0, "h": 3600.0, "us": 1e-6}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")


@frozen
class Rule:
    """What one setting has to be."""

    code: str
    setting: str
    holds: Callable[[str | None], bool]
    """Whether it may be so; None: the definition does not say."""
    wanted: str
    """The same for people: `always`."""
    why: str
    level: str = RECOMMENDED


def drift(marker: str, settings: Mapping[str, str], reinstall: str) -> Iterator[Finding]:
    """What the definition of the manager `marker` lacks, or has otherwise."""
    for rule in RULES.get(marker, ()):
        value = settings.get(rule.setting)
        if not rule.holds(value):
            found = "is not set" if value is None else f"is {value}"
            what = f"{rule.setting} {found}, and should be {rule.wanted}."
            yield Finding(rule.code, what, f"Run: {reinstall}", rule.why, rule.level)


def seconds(text: str) -> float | None:
    """A span of time as systemd.time(7) has it; None for `infinity`, and for what is none.

    >>> seconds("1min 30s")
    90.0
    """
    parts = _SPAN.findall(text)
    if not parts or _SPAN.sub("", text).strip() or any(unit not in _UNIT_SECONDS for _, unit in parts):
        return None
    return sum(float(amount) * _UNIT_SECONDS[unit] for amount, unit in parts)


def _is(*wanted: str) -> Callable[[str | None], bool]:
    return lambda value: value is not None and value.strip().lower() in wanted


def _holds_exit_code(value: str | None) -> bool:
    return value is not None and str(EXIT_CONFIG) in value.split()


def _at_least(least: float) -> Callable[[str | None], bool]:
    """A span that is long enough, or endless."""

    def holds(value: str | None) -> bool:
        if value is None:
            return False
        span = seconds(value)
        return value.strip() == "infinity" if span is None else span >= least

    return holds


def _leaves_time(value: str | None) -> bool:
    """Without a word of its own, systemd waits for 90 s; 0 is for ever."""
    return value is None or value.strip() == "0" or _at_least(STOP_SECONDS)(value)


def _is_span(value: str | None) -> bool:
    return value is not None and (seconds(value) or 0) > 0


def _counts(value: str | None) -> bool:
    return value is not None and value.strip().isdecimal() and int(value) >= 1


RULES: Mapping[str, tuple[Rule, ...]] = {
    "systemd": (
        Rule("systemd-type-notify", "Type", _is("notify"), "notify", "A start counts before the gateway is ready."),
        Rule("systemd-restart", "Restart", _is("always"), "always", "What ends is not started again."),
        Rule(
            "systemd-restart-sec",
            "RestartSec",
            _is_span,
            "5",
            "systemd starts it again at once, and again, as fast as it can.",
            AGGRESSIVE,
        ),
        Rule(
            "systemd-restart-prevent-exit-status",
            "RestartPreventExitStatus",
            _holds_exit_code,
            str(EXIT_CONFIG),
            "A gateway with a bad configuration is started again for ever.",
        ),
        Rule(
            "systemd-kill-mode",
            "KillMode",
            _is("mixed"),
            "mixed",
            "On a stop, systemd ends the tools of an answer that is to be finished.",
        ),
        Rule(
            "systemd-start-limit",
            "StartLimitIntervalSec",
            _is("0", "infinity"),
            "0",
            "After some crashes in a row systemd leaves it down for good.",
        ),
        Rule("systemd-watchdog", "WatchdogSec", _is_span, "a span of time", "One that hangs is not noticed."),
        Rule(
            "systemd-descriptor-store",
            "FileDescriptorStoreMax",
            _counts,
            "8",
            "The port closes while systemd starts it again: clients are refused.",
        ),
        Rule(
            "systemd-timeout-stop",
            "TimeoutStopSec",
            _leaves_time,
            f"{STOP_SECONDS} or more",
            "systemd kills it before what is in flight has finished.",
        ),
    ),
    "launchd": (
        Rule("launchd-run-at-load", "RunAtLoad", _is("true"), "true", "It does not start at login."),
        Rule(
            "launchd-keep-alive",
            "KeepAlive.SuccessfulExit",
            _is("false"),
            "false",
            "What crashes is not started again, or what was stopped is.",
        ),
        Rule(
            "launchd-exit-timeout",
            "ExitTimeOut",
            lambda value: value is None or _leaves_time(value),
            f"{STOP_SECONDS} or more",
            "launchd kills it before what is in flight has finished.",
        ),
    ),
    "schtasks": (
        Rule(
            "schtasks-repetition",
            "LogonTrigger.Repetition.Interval",
            lambda value: value is not None,
            "a span of time",
            "What ends is not started again.",
        ),
        Rule(
            "schtasks-multiple-instances",
            "MultipleInstancesPolicy",
            _is("ignorenew"),
            "IgnoreNew",
            "Each repetition starts, or ends, one more.",
        ),
        Rule(
            "schtasks-time-limit",
            "ExecutionTimeLimit",
            _is("pt0s"),
            "PT0S",
            "The Task Scheduler ends it after three days.",
        ),
        Rule(
            "schtasks-batteries",
            "StopIfGoingOnBatteries",
            _is("false"),
            "false",
            "It ends when the machine is unplugged.",
            AGGRESSIVE,
        ),
    ),
}
