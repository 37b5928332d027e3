"""The names of lanes, and what they tell."""

from __future__ import annotations

from hypothesis import given, strategies as st

from xopc.storage.path.outbox import account_of, chat_of, lane_of

NAMES = st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters="-_."), min_size=1, max_size=5)
CHATS = st.text(max_size=5)


@given(one=st.tuples(NAMES, NAMES, CHATS), other=st.tuples(NAMES, NAMES, CHATS))
def test_two_chats_share_a_lane_only_where_they_are_one(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (lane_of(*one) == lane_of(*other)) == (one == other)


@given(st.tuples(NAMES, NAMES, CHATS))
def test_a_lane_tells_its_account_and_its_chat(names: tuple[str, str, str]) -> None:
    lane = lane_of(*names)
    assert (*account_of(lane), chat_of(lane)) == names
