"""Whether there is something to do, whether it is the hour for it, and whether the answer is worth telling."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from tests.storage.values import CHAT, inbound, outbound, said
from xopc.contracts.settings.heartbeat import ActiveHours
from xopc.contracts.transcript import RunState
from xopc.core.heartbeat.rules import PROMPT, has_tasks, is_within, judged, told_to_agent, worth_telling
from xopc.storage.path.base import Turn, TurnEnd

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
MINUTES = st.integers(0, 24 * 60 - 1)


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def turn(dedupe_key: str = "heartbeat:run-1") -> Turn:
    return Turn("run-1", "heartbeat:main", inbound("look", dedupe_key), True, False, None, ())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n \n",
        "# Heartbeat\n\n## Every day\n",
        "#",
        "- \n* \n+\n1.\n2) \n",
        "- [ ]\n- [x] \n",
        "---\n",
        "<!-- Write tasks below.\n\n- Call Ann -->\n# Tasks\n-\n",
        "\ufeff# Tasks\r\n\r\n",
    ],
)
def test_headings_blanks_comments_and_empty_items_ask_for_nothing(text: str) -> None:
    assert not has_tasks(text)


@pytest.mark.parametrize(
    "text", ["Call Ann", "# Tasks\n- Call Ann", "- [ ] Call Ann", "#todo", "1. Call Ann", "-Call Ann", "<!-- a --> b"]
)
def test_anything_else_is_a_task(text: str) -> None:
    assert has_tasks(text)


@given(start=MINUTES, end=MINUTES, minute=MINUTES)
def test_hours_and_the_rest_of_the_day_share_no_minute_and_leave_none_out(start: int, end: int, minute: int) -> None:
    now = MIDNIGHT + timedelta(minutes=minute)
    day, night = ActiveHours(clock(start), clock(end), "UTC"), ActiveHours(clock(end), clock(start), "UTC")
    if start == end:
        assert is_within(day, now)
    else:
        assert is_within(day, now) != is_within(night, now)
        assert is_within(day, MIDNIGHT + timedelta(minutes=start))
        assert not is_within(day, MIDNIGHT + timedelta(minutes=end))


def test_hours_lie_across_midnight_in_their_own_zone() -> None:
    hours = ActiveHours("22:00", "06:00", "Asia/Tokyo")
    assert is_within(hours, datetime(2026, 3, 1, 13, 0, tzinfo=UTC))
    assert is_within(hours, datetime(2026, 3, 1, 20, 59, tzinfo=UTC))
    assert not is_within(hours, datetime(2026, 3, 1, 21, 0, tzinfo=UTC))
    assert is_within(None, MIDNIGHT)
    assert is_within(ActiveHours("00:00", "24:00"), MIDNIGHT)


def test_the_agent_is_told_the_tasks_and_what_woke_it() -> None:
    assert told_to_agent(None, None, ()) == PROMPT
    assert told_to_agent(" ", "- Call Ann", ("cron:a", "cron:b")) == (
        f"{PROMPT}\n\nWoken by: cron:a, cron:b\n\nHEARTBEAT.md:\n\n- Call Ann"
    )
    assert told_to_agent("Look.", "", ()) == "Look.\n\nHEARTBEAT.md:\n\n"


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("HEARTBEAT_OK", ""),
        (" **HEARTBEAT_OK** ", ""),
        ("HEARTBEAT_OK. All quiet.", ""),
        ("NO_REPLY", ""),
        ("", ""),
        ("It rains.", "It rains."),
        ("HEARTBEAT_OKAY", "HEARTBEAT_OKAY"),
        (f"HEARTBEAT_OK {'x' * 30}", ""),
        (f"HEARTBEAT_OK {'x' * 31}", "x" * 31),
        (f"{'x' * 31}\n\nHEARTBEAT_OK", "x" * 31),
    ],
)
def test_an_acknowledgement_with_few_other_words_is_told_to_nobody(reply: str, told: str) -> None:
    assert worth_telling(reply, 30) == told


def test_what_is_worth_telling_goes_out_without_the_acknowledgement_and_once_a_day() -> None:
    end = TurnEnd(RunState.DONE, said("HEARTBEAT_OK but it rains"), (outbound("HEARTBEAT_OK but it rains"),))
    told = judged(turn(), end, 0)
    assert [(sent.address, sent.text) for sent in told.outbox] == [(CHAT, "but it rains")]
    assert told.once_a_day
    assert told.message == end.message
    assert judged(turn(), end, 300).outbox == ()


def test_a_beat_that_failed_is_told_to_nobody() -> None:
    end = TurnEnd(RunState.FAILED, None, (outbound("Sorry, I could not answer."),), error="no model")
    assert judged(turn(), end, 300).outbox == ()


def test_what_somebody_asked_for_is_left_as_it_is() -> None:
    end = TurnEnd(RunState.DONE, said("HEARTBEAT_OK"), (outbound("HEARTBEAT_OK"),))
    assert judged(turn("telegram:default:update:1"), end, 300) is end
