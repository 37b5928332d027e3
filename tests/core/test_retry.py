from __future__ import annotations

import pytest

from xopc.contracts.messages import Address, Failed, Outbound, OutboxRow, OutboxState, Retry, Unknown
from xopc.core.retry import after_attempt, delay_seconds
from xopc.storage.path_outbox import Attempt

DEAD, PENDING = OutboxState.DEAD, OutboxState.PENDING
CREATED = 1000.0
HOUR = 3600.0
TWICE = "It may have been sent already, and is not sent a third time: broken"


def row(attempts: int = 0, *, possible_duplicate: bool = False) -> OutboxRow:
    outbound = Outbound(Address("telegram", "default", "42"), "hello")
    return OutboxRow("msg_1", outbound, PENDING, CREATED, attempts, possible_duplicate=possible_duplicate)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (8, 128), (9, 256), (10, 300), (9999, 300)]
)
def test_the_pause_doubles_up_to_five_minutes(failures: int, seconds: float) -> None:
    assert delay_seconds(failures, 0) == seconds
    assert delay_seconds(failures, 1) == pytest.approx(seconds * 1.2)
    assert delay_seconds(failures, -1) == pytest.approx(seconds * 0.8)


def test_the_pause_can_be_bounded_further() -> None:
    assert delay_seconds(9, 0, most=30) == 30


@pytest.mark.parametrize(
    ("before", "delivery", "seconds_later", "expected"),
    [
        # What cannot be sent is dead at once.
        (row(), Failed("no such chat"), 0, Attempt(DEAD, "no such chat")),
        # What was not sent is tried again: after 1, 2, 4 … seconds, or as the platform asks.
        (row(0), Retry("busy"), 0, Attempt(PENDING, "busy", CREATED + 1)),
        (row(3), Retry("busy"), 10, Attempt(PENDING, "busy", CREATED + 10 + 8)),
        (row(3), Retry("flood", 77.5), 10, Attempt(PENDING, "flood", CREATED + 87.5)),
        (row(3), Retry("flood", 0), 10, Attempt(PENDING, "flood", CREATED + 10)),
        (row(3), Retry("flood", -5), 10, Attempt(PENDING, "flood", CREATED + 10)),
        # However often it failed, it is tried again within a day.
        (row(6), Retry("busy"), 100, Attempt(PENDING, "busy", CREATED + 100 + 64)),
        (row(200), Retry("busy"), 23 * HOUR, Attempt(PENDING, "busy", CREATED + 23 * HOUR + 300)),
        (row(1), Retry("flood", 2 * HOUR), 22 * HOUR, Attempt(PENDING, "flood", CREATED + 24 * HOUR)),
        (row(1), Retry("flood", 3 * HOUR), 22 * HOUR, Attempt(DEAD, "Given up 24 hours after it was accepted: flood")),
        # What may have been sent is tried once more.
        (row(0), Unknown("broken"), 0, Attempt(PENDING, "broken", CREATED + 1, possible_duplicate=True)),
        (row(1, possible_duplicate=True), Unknown("broken"), 0, Attempt(DEAD, TWICE, possible_duplicate=True)),
        (row(1, possible_duplicate=True), Retry("busy"), 0, Attempt(PENDING, "busy", CREATED + 2)),
    ],
)
def test_what_becomes_of_a_message_that_was_not_sent(
    before: OutboxRow, delivery: Retry | Failed | Unknown, seconds_later: float, expected: Attempt
) -> None:
    assert after_attempt(before, delivery, CREATED + seconds_later, jitter=0) == expected


def test_the_pause_of_the_outbox_is_spread_and_that_of_the_platform_is_not() -> None:
    assert after_attempt(row(), Retry("busy"), CREATED, jitter=1).next_attempt_at == pytest.approx(CREATED + 1.2)
    assert after_attempt(row(), Retry("flood", 10), CREATED, jitter=1).next_attempt_at == CREATED + 10
