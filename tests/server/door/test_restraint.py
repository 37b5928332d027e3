from __future__ import annotations

from xopc.server.door.restraint import LINES, SECONDS, Restraint


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_lines_of_a_minute_are_written_and_the_others_counted() -> None:
    clock = Clock()
    restraint = Restraint(clock)
    assert [restraint.left_out() for _ in range(LINES + 3)] == [0] * LINES + [None] * 3
    clock.now += SECONDS - 1
    assert restraint.left_out() is None
    clock.now += 1
    assert [restraint.left_out() for _ in range(LINES + 1)] == [4, *[0] * (LINES - 1), None]
