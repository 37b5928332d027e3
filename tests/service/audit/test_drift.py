from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.definitions import definition
from tests.fakes.service_managers import FakeManagers
from xopc.service.audit.drift import RULES, drift, seconds
from xopc.service.managers.find import find_manager

UNIT = {
    "Type": "notify",
    "Restart": "always",
    "RestartSec": "5",
    "RestartPreventExitStatus": "78",
    "KillMode": "mixed",
    "StartLimitIntervalSec": "0",
    "WatchdogSec": "30s",
    "FileDescriptorStoreMax": "8",
    "TimeoutStopSec": "20",
}
TASK = {
    "LogonTrigger.Repetition.Interval": "PT1M",
    "MultipleInstancesPolicy": "IgnoreNew",
    "ExecutionTimeLimit": "PT0S",
    "StopIfGoingOnBatteries": "false",
}
PLIST = {"RunAtLoad": "true", "KeepAlive.SuccessfulExit": "false", "ExitTimeOut": "20"}


def codes(marker: str, settings: dict[str, str]) -> list[str]:
    return [finding.code for finding in drift(marker, settings, "mend it")]


@pytest.mark.parametrize(("marker", "settings"), [("systemd", UNIT), ("launchd", PLIST), ("schtasks", TASK)])
def test_a_definition_as_it_should_be_has_no_drift(marker: str, settings: dict[str, str]) -> None:
    assert codes(marker, settings) == []


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("Type", "simple", "systemd-type-notify"),
        ("Type", None, "systemd-type-notify"),
        ("Restart", "on-failure", "systemd-restart"),
        ("Restart", None, "systemd-restart"),
        ("RestartSec", "0", "systemd-restart-sec"),
        ("RestartPreventExitStatus", None, "systemd-restart-prevent-exit-status"),
        ("RestartPreventExitStatus", "77 SIGTERM", "systemd-restart-prevent-exit-status"),
        ("KillMode", None, "systemd-kill-mode"),
        ("KillMode", "process", "systemd-kill-mode"),
        ("StartLimitIntervalSec", None, "systemd-start-limit"),
        ("StartLimitIntervalSec", "60", "systemd-start-limit"),
        ("WatchdogSec", None, "systemd-watchdog"),
        ("WatchdogSec", "0", "systemd-watchdog"),
        ("FileDescriptorStoreMax", None, "systemd-descriptor-store"),
        ("FileDescriptorStoreMax", "0", "systemd-descriptor-store"),
        ("TimeoutStopSec", "5s", "systemd-timeout-stop"),
        ("TimeoutStopSec", "soon", "systemd-timeout-stop"),
    ],
)
def test_each_setting_of_a_unit_that_is_otherwise_is_found(setting: str, value: str | None, code: str) -> None:
    settings = {name: text for name, text in {**UNIT, setting: value}.items() if text is not None}
    assert codes("systemd", settings) == [code]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("RestartPreventExitStatus", "77 78"),
        ("TimeoutStopSec", "1min 30s"),
        ("TimeoutStopSec", "infinity"),
        ("TimeoutStopSec", "0"),
        ("WatchdogSec", "2min"),
        ("FileDescriptorStoreMax", "16"),
    ],
)
def test_another_value_that_does_as_well_is_no_drift(setting: str, value: str) -> None:
    assert codes("systemd", {**UNIT, setting: value}) == []


def test_without_a_stop_timeout_the_manager_waits_long_enough() -> None:
    assert codes("systemd", {name: value for name, value in UNIT.items() if name != "TimeoutStopSec"}) == []


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("RunAtLoad", None, "launchd-run-at-load"),
        ("RunAtLoad", "false", "launchd-run-at-load"),
        ("KeepAlive.SuccessfulExit", None, "launchd-keep-alive"),
        ("KeepAlive.SuccessfulExit", "true", "launchd-keep-alive"),
        ("ExitTimeOut", "3", "launchd-exit-timeout"),
    ],
)
def test_each_key_of_a_plist_that_is_otherwise_is_found(setting: str, value: str | None, code: str) -> None:
    settings = {name: text for name, text in {**PLIST, setting: value}.items() if text is not None}
    assert codes("launchd", settings) == [code]


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("LogonTrigger.Repetition.Interval", None, "schtasks-repetition"),
        ("MultipleInstancesPolicy", "Parallel", "schtasks-multiple-instances"),
        ("ExecutionTimeLimit", None, "schtasks-time-limit"),
        ("StopIfGoingOnBatteries", "true", "schtasks-batteries"),
    ],
)
def test_each_element_of_a_task_that_is_otherwise_is_found(setting: str, value: str | None, code: str) -> None:
    settings = {name: text for name, text in {**TASK, setting: value}.items() if text is not None}
    assert codes("schtasks", settings) == [code]


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_what_each_manager_is_given_has_no_drift(home: Path, platform: str) -> None:
    managers = FakeManagers(home)
    environ = {**managers.environ, "USERNAME": "robin", "USERDOMAIN": "HOST"}
    manager = find_manager(environ, platform=platform)
    assert manager is not None
    manager.install(definition(home))
    installed = manager.read()
    assert installed is not None
    assert codes(manager.marker, dict(installed.settings)) == []
    assert codes(manager.marker, {}) != []


def test_a_finding_says_what_is_so_what_should_be_and_why() -> None:
    (finding,) = drift("systemd", {**UNIT, "KillMode": "process"}, "mend it")
    assert finding.message == "KillMode is process, and should be mixed."
    assert finding.hint == "Run: mend it"
    assert finding.detail.startswith("On a stop, systemd ends")


def test_an_unknown_manager_has_no_rules() -> None:
    assert codes("openrc", {}) == []


def test_each_code_is_one_rules() -> None:
    known = [rule.code for rules in RULES.values() for rule in rules]
    assert sorted(known) == sorted(set(known))


@pytest.mark.parametrize(
    ("text", "amount"),
    [("5", 5.0), ("500ms", 0.5), ("1min 30s", 90.0), ("2h", 7200.0), ("infinity", None), ("", None), ("5 weeks", None)],
)
def test_spans_are_read_as_systemd_does(text: str, amount: float | None) -> None:
    assert seconds(text) == amount
