from __future__ import annotations

import pytest

from tests.fakes.clock import Clock
from xopc.core.logs.level import LEVELS, LevelSwitch


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def switch(clock: Clock, heard: list[str]) -> LevelSwitch:
    switch = LevelSwitch("info", clock)
    switch.on_change = heard.append
    return switch


def admitted(switch: LevelSwitch) -> list[str]:
    return [level for level in LEVELS if switch.admits(level)]


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_admits_itself_and_what_matters_more(level: str) -> None:
    assert admitted(LevelSwitch(level)) == list(LEVELS[LEVELS.index(level) :])


def test_a_change_without_an_end_stays(switch: LevelSwitch, clock: Clock, heard: list[str]) -> None:
    switch.set("error")
    clock.now += 1e9
    assert admitted(switch) == ["error", "fatal"]
    assert switch.state() == ("error", None)
    assert heard == ["The level of the log is error now."]


def test_a_change_goes_back_when_it_is_over(switch: LevelSwitch, clock: Clock, heard: list[str]) -> None:
    switch.set("trace", 90)
    clock.now += 89
    assert switch.state() == ("trace", 1)
    assert switch.admits("trace")
    clock.now += 1
    assert admitted(switch) == ["info", "warn", "error", "fatal"]
    assert switch.state() == ("info", None)
    assert heard == ["The level of the log is trace now for 1.5 minutes.", "The level of the log is info again."]


def test_whoever_asks_for_the_state_sees_it_go_back(switch: LevelSwitch, clock: Clock) -> None:
    switch.set("trace", 60)
    clock.now += 60
    assert switch.state() == ("info", None)


def test_a_second_change_replaces_the_first(switch: LevelSwitch, clock: Clock, heard: list[str]) -> None:
    switch.set("trace", 60)
    switch.set("error", 600)
    clock.now += 60
    assert switch.state() == ("error", 540)
    clock.now += 540
    assert switch.state() == ("info", None)
    assert heard[-1] == "The level of the log is info again."


def test_who_hears_of_a_change_may_ask_and_change(switch: LevelSwitch) -> None:
    states: list[object] = []
    switch.on_change = lambda _: states.append(switch.state())
    switch.set("debug")
    assert states == [("debug", None)]
