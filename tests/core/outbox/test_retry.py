from __future__ import annotations

import pytest

from xopc.contracts.messages import Address, ErrorClass, Failed, Outbound, OutboxRow, OutboxState, Retry, Unknown
from xopc.core.outbox.retry import MAX_SUSPECT_ATTEMPTS, after_attempt, before_attempt, delay_seconds, span
from xopc.storage.path.outbox import Attempt, Pause

DEAD, PENDING = OutboxState.DEAD, OutboxState.PENDING
CREATED = 1000.0
HOUR = 3600.0
TWICE = "It may have been sent already, and is not sent a third time: broken"
LATE = "Given up, since it was to be sent within 24 hours: flood"
UNCLEAR = Attempt(PENDING, "broken", ErrorClass.UNKNOWN, CREATED + 1, 1, possible_duplicate=True, is_unclear=True)
GIVEN_UP = Attempt(DEAD, TWICE, ErrorClass.UNKNOWN, possible_duplicate=True, is_unclear=True)


def row(attempts: int = 0, *, unclear: int = 0, last_error: str | None = None) -> OutboxRow:
    outbound = Outbound(Address("telegram", "default", "42"), "hello")
    return OutboxRow("msg_1", outbound, PENDING, CREATED, attempts, unclear=unclear, last_error=last_error)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (8, 128), (9, 256), (10, 300), (9999, 300)]
)
def test_the_pause_doubles_up_to_five_minutes(failures: int, seconds: float) -> None:
    assert delay_seconds(failures, 0) == seconds
    assert delay_seconds(failures, 1) == pytest.approx(seconds * 1.2)
    assert delay_seconds(failures, -1) == pytest.approx(seconds * 0.8)


def test_the_pause_can_be_bounded_further() -> None:
    assert delay_seconds(9, 0, most=30) == 30


def after(
    before: OutboxRow,
    delivery: Retry | Failed | Unknown,
    age: float = 0,
    *,
    jitter: float = 0,
    is_idempotent: bool = False,
    account_pause: Pause | None = None,
) -> Attempt:
    return after_attempt(
        before,
        delivery,
        age=age,
        ttl_seconds=24 * HOUR,
        now=CREATED + age,
        jitter=jitter,
        is_idempotent=is_idempotent,
        account_pause=account_pause,
    )


def waits(error: str, pause: float, age: float = 0, kind: ErrorClass = ErrorClass.TRANSIENT) -> Attempt:
    return Attempt(PENDING, error, kind, CREATED + age + pause if pause else 0.0, pause)


@pytest.mark.parametrize(
    ("before", "delivery", "age", "expected"),
    [
        # What cannot be sent is dead at once.
        (row(), Failed("no such chat"), 0, Attempt(DEAD, "no such chat", ErrorClass.PERMANENT)),
        # What was not sent is tried again: after 1, 2, 4 … seconds, or as the platform asks.
        (row(0), Retry("busy"), 0, waits("busy", 1)),
        (row(3), Retry("busy"), 10, waits("busy", 8, 10)),
        (row(3), Retry("flood", 77.5), 10, waits("flood", 77.5, 10)),
        (row(3), Retry("flood", 0), 10, waits("flood", 0, 10)),
        (row(3), Retry("flood", -5), 10, waits("flood", 0, 10)),
        # What waits for its account, which waits for other settings, is due as soon as that is so.
        (row(3), Retry("off", 300, whole_account=True, until_changed=True), 10, waits("off", 0, 10)),
        (row(3), Retry("off", 300, until_changed=True), 10, waits("off", 300, 10)),
        (row(3), Retry("off", whole_account=True, until_changed=True), 10, waits("off", 8, 10)),
        # However often it failed, it is tried again within its time.
        (row(6), Retry("busy"), 100, waits("busy", 64, 100)),
        (row(200), Retry("busy"), 23 * HOUR, waits("busy", 300, 23 * HOUR)),
        (row(1), Retry("flood", 2 * HOUR - 1), 22 * HOUR, waits("flood", 2 * HOUR - 1, 22 * HOUR)),
        (row(1), Retry("flood", 2 * HOUR), 22 * HOUR, Attempt(DEAD, LATE, ErrorClass.EXPIRED)),
        # What may have been sent is tried once more.
        (row(0), Unknown("broken"), 0, UNCLEAR),
        (row(1, unclear=1), Unknown("broken"), 0, GIVEN_UP),
        (row(1, unclear=1), Retry("busy"), 0, waits("busy", 2)),
    ],
)
def test_what_becomes_of_a_message_that_was_not_sent(
    before: OutboxRow, delivery: Retry | Failed | Unknown, age: float, expected: Attempt
) -> None:
    assert after(before, delivery, age) == expected


def test_a_message_that_expires_as_it_may_have_been_sent_says_both() -> None:
    attempt = after(row(), Unknown("broken"), 24 * HOUR - 0.5)
    assert (attempt.state, attempt.error_class) == (DEAD, ErrorClass.EXPIRED)
    assert attempt.possible_duplicate


def test_where_nobody_sees_a_message_twice_it_is_tried_again_and_again_without_a_mark() -> None:
    attempt = after(row(1, unclear=1), Unknown("broken"), is_idempotent=True)
    assert attempt == waits("broken", 2, kind=ErrorClass.UNKNOWN)


@pytest.mark.parametrize("seconds", [60, 30 * HOUR])
def test_the_pause_of_the_account_is_kept_whatever_becomes_of_the_message(seconds: float) -> None:
    pause = Pause("telegram", "default", CREATED + seconds, seconds, "flood")
    assert after(row(), Retry("flood", seconds, whole_account=True), account_pause=pause).account_pause == pause


def test_the_pause_of_the_outbox_is_spread_and_that_of_the_platform_is_not() -> None:
    assert after(row(), Retry("busy"), jitter=1).next_attempt_at == pytest.approx(CREATED + 1.2)
    assert after(row(), Retry("flood", 10), jitter=1).next_attempt_at == CREATED + 10


@pytest.mark.parametrize(
    ("before", "age", "is_idempotent", "error_class"),
    [
        (row(), 0, False, None),
        (row(), 59.9, False, None),
        (row(), 60, False, ErrorClass.EXPIRED),
        (row(7, unclear=1), 1, False, None),
        (row(1, unclear=2), 1, False, ErrorClass.UNKNOWN),
        (row(1, unclear=2), 1, True, None),
        (row(1, unclear=MAX_SUSPECT_ATTEMPTS), 1, True, ErrorClass.UNKNOWN),
    ],
)
def test_what_is_not_to_be_tried_any_more_is_given_up(
    before: OutboxRow, age: float, is_idempotent: bool, error_class: ErrorClass | None
) -> None:
    verdict = before_attempt(before, age, 60, is_idempotent=is_idempotent)
    assert (verdict and verdict.error_class) == error_class
    assert verdict is None or verdict.state is DEAD


def test_a_message_that_expired_says_what_kept_it() -> None:
    told = {error: before_attempt(row(last_error=error), 90, 90, is_idempotent=False) for error in (None, "busy")}
    assert [attempt and attempt.error for attempt in told.values()] == [
        "It was not sent within 90 seconds, so it is not sent any more.",
        "It was not sent within 90 seconds, so it is not sent any more. The last error: busy",
    ]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1, "1 second"),
        (2, "2 seconds"),
        (60, "1 minute"),
        (90, "90 seconds"),
        (5400, "90 minutes"),
        (3600, "1 hour"),
        (24 * HOUR, "24 hours"),
    ],
)
def test_a_span_is_told_in_its_largest_whole_unit(seconds: float, expected: str) -> None:
    assert span(seconds) == expected
