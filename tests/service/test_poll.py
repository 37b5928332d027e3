"""When a command looks again."""

from __future__ import annotations

import itertools
import math
import time

import pytest

from xopc.service.poll import attempts


def test_the_first_look_is_at_once_and_the_last_at_the_deadline() -> None:
    began = time.monotonic()
    left = list(attempts(0.1, first=0.01, longest=0.02))
    assert time.monotonic() - began >= 0.1
    assert left[0] > 0.09
    assert left[-1] == 0
    assert left == sorted(left, reverse=True)
    assert len(left) >= 4


def test_pauses_grow_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, slept = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("time.sleep", sleep)
    assert len(list(attempts(0.3, first=0.02, longest=0.08))) == 6
    assert slept == pytest.approx([0.02, 0.04, 0.08, 0.08, 0.08])


def test_without_time_there_is_one_look() -> None:
    assert list(attempts(0, first=1, longest=1)) == [0.0]


def test_without_end_it_goes_on() -> None:
    looks = itertools.islice(attempts(math.inf, first=0.001, longest=0.001), 20)
    assert list(looks) == [math.inf] * 20
