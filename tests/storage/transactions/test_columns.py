from __future__ import annotations

import json.encoder
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tests.storage.values import inbound, outbound, said
from xopc.contracts.errors import InvalidValueError
from xopc.contracts.messages import Inbound, Outbound
from xopc.contracts.transcript import Message
from xopc.storage.transactions.columns import compact_encoder, from_json, storable, to_json


@pytest.mark.parametrize("value", [inbound(), outbound("hi"), said("It is noon.", "call-1")])
def test_a_value_comes_back_as_it_was(value: object) -> None:
    assert from_json(to_json(value), type(value)) == value


@given(st.text())
def test_every_text_comes_back_as_it_was(text: str) -> None:
    assert from_json(to_json(outbound(text)), Outbound).text == text


@given(st.text(st.characters()))
def test_every_text_can_be_stored(text: str) -> None:
    (stored,) = sqlite3.connect(":memory:").execute("SELECT ?", (storable(text),)).fetchone()
    assert len(stored) <= len(text)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("a\ud83d\ude00b", "a\N{GRINNING FACE}b"),
        ("a\ud83db", "a\N{REPLACEMENT CHARACTER}b"),
        ("\ude00\ud83d", "\N{REPLACEMENT CHARACTER}" * 2),
    ],
)
def test_halves_of_surrogate_pairs_are_joined_or_replaced(text: str, stored: str) -> None:
    assert storable(text) == stored
    assert from_json(to_json(outbound(text)), Outbound) == outbound(stored)


def test_text_is_readable_in_the_database() -> None:
    assert '"text":"où?"' in to_json(inbound("où?"))


def test_keys_of_another_version_are_left_out() -> None:
    assert from_json('{"role":"user","content":"hi","colour":"red"}', Message).content == "hi"


def test_what_lacks_something_is_refused_with_its_path() -> None:
    with pytest.raises(InvalidValueError, match=r"\$\.address: is missing"):
        from_json('{"peerKind":"dm","sender":"1","text":"hi","dedupeKey":"k"}', Inbound)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_the_encoder_that_is_made_once_writes_what_the_other_does(value: object) -> None:
    quick, slow = compact_encoder(getattr(json.encoder, "c_make_encoder", None)), compact_encoder(None)
    assert quick(value) == slow(value)


@pytest.mark.parametrize("make", [getattr(json.encoder, "c_make_encoder", None), None])
def test_what_is_no_json_is_not_encoded(make: Callable[..., Any] | None) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        compact_encoder(make)({"a": object()})
