from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from xopc.contracts.convert import restore, unstructure
from xopc.contracts.errors import InvalidValueError
from xopc.contracts.messages import Address, Inbound, Outbound, OutboxRow, OutboxState, PeerKind

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ADDRESS = st.builds(Address, TEXT, TEXT, TEXT, st.none() | TEXT)
OUTBOUND = st.builds(Outbound, ADDRESS, TEXT, st.none() | TEXT, st.booleans())
MAYBE = st.none() | TEXT
INBOUND = st.builds(Inbound, ADDRESS, st.sampled_from(PeerKind), TEXT, TEXT, TEXT, sender_name=MAYBE, message_id=MAYBE)
ROW = st.builds(
    OutboxRow,
    TEXT,
    OUTBOUND,
    st.sampled_from(OutboxState),
    st.floats(0, 1e12),
    platform_ids=st.lists(TEXT).map(tuple),
    last_error=st.none() | TEXT,
)


@given(INBOUND | OUTBOUND | ROW)
def test_a_message_is_the_same_after_its_way_through_json(message: Inbound | Outbound | OutboxRow) -> None:
    assert restore(json.loads(json.dumps(unstructure(message))), type(message)) == message


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"peerKind": "crowd"}, "$.peerKind"),
        ({"text": None}, "$.text"),
        ({"address": {"channel": "telegram", "account": "default"}}, "$.address.chat"),
    ],
)
def test_a_message_that_is_none_is_refused_with_the_place(change: dict[str, Any], problem: str) -> None:
    whole = unstructure(Inbound(Address("telegram", "default", "42"), PeerKind.DM, "42", "hello", "key"))
    with pytest.raises(InvalidValueError) as caught:
        restore({**whole, **change}, Inbound)
    assert [found.path for found in caught.value.problems] == [problem]
