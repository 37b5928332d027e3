from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import define, field
from hypothesis import given, strategies as st

from xopc.contracts.messages import Address
from xopc.core.outbox import pacing
from xopc.core.outbox.pacing import Limit, Pacer, free_at, taken

HERE, THERE = Address("telegram", "default", "1"), Address("telegram", "default", "2")
TOLERANCE = 1e-6


@define
class Platform:
    per_account: Sequence[Limit] = ()
    per_chat: Sequence[Limit] = ()
    asked: list[Address] = field(factory=list[Address])

    def limits(self, address: Address) -> Sequence[Limit]:
        self.asked.append(address)
        return (*self.per_account, *self.per_chat)


def test_a_bucket_gives_what_is_in_it_and_then_one_by_one() -> None:
    limit, full_at = Limit(at_once=3, seconds=10), 0.0
    moments: list[float] = []
    for _ in range(5):
        moments.append(max(free_at(limit, full_at), 100))
        full_at = taken(limit, full_at, moments[-1])
    assert moments == [100, 100, 100, 110, 120]


@given(
    limit=st.builds(Limit, st.integers(1, 6), st.floats(0.01, 10)),
    waits=st.lists(st.floats(0, 20), max_size=40),
    window=st.floats(0.1, 60),
)
def test_no_window_holds_more_than_a_burst_and_what_was_refilled_in_it(
    limit: Limit, waits: list[float], window: float
) -> None:
    full_at, now = 0.0, 1000.0
    moments: list[float] = []
    for wait in waits:
        now = max(now + wait, free_at(limit, full_at))
        full_at = taken(limit, full_at, now)
        moments.append(now)
    most = limit.at_once + window / limit.seconds
    for begin in moments:
        assert sum(begin <= moment < begin + window - TOLERANCE for moment in moments) <= most + TOLERANCE


def test_a_channel_without_limits_never_waits() -> None:
    pacer = Pacer()
    assert [pacer.reserve(object(), HERE, 5) for _ in range(100)] == [0] * 100
    assert pacer.pause(object(), HERE, 5) == 0


def test_each_chat_has_a_bucket_and_all_chats_of_an_account_share_one() -> None:
    platform = Platform([Limit(2, 1)], [Limit(1, 10, per_chat=True)])
    pacer = Pacer()
    assert pacer.reserve(platform, HERE, 100) == 0
    assert pacer.chat_pause(platform, HERE, 100) == 10
    assert pacer.chat_pause(platform, THERE, 100) == 0
    assert pacer.reserve(platform, THERE, 100) == 0
    assert pacer.pause(platform, Address("telegram", "default", "3"), 100) == 1
    assert pacer.pause(platform, Address("telegram", "work", "1"), 100) == 0


def test_who_reserves_later_waits_longer() -> None:
    platform, pacer = Platform([Limit(1, 2)]), Pacer()
    assert [pacer.reserve(platform, HERE, 100) for _ in range(4)] == [0, 2, 4, 6]


def test_two_limits_of_a_kind_have_a_bucket_each() -> None:
    platform, pacer = Platform(per_chat=[Limit(2, 1, per_chat=True), Limit(3, 60, per_chat=True)]), Pacer()
    assert [pacer.reserve(platform, HERE, at) for at in (100, 100, 101)] == [0, 0, 0]
    assert pacer.pause(platform, HERE, 103) == 57


def test_buckets_that_are_full_again_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "MAX_REMEMBERED", 10)
    platform, pacer = Platform(per_chat=[Limit(1, 1, per_chat=True)]), Pacer()
    for number in range(1000):
        pacer.reserve(platform, Address("telegram", "default", str(number)), float(number))
    assert len(pacer.full_at) <= 11
