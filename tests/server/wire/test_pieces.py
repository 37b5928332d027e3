from __future__ import annotations

import json

import trio
from attrs import frozen
from hypothesis import given, strategies as st

from xopc.server.wire.pieces import FEW, PIECE_CHARS, encoded, encoded_in_pieces

LONG = "ü\n\ud83d" * PIECE_CHARS
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(LONG),
    lambda inner: st.lists(inner, max_size=FEW + 2) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=40,
)


@frozen
class Page:
    items: tuple[object, ...]


@given(value=JSON)
def test_pieces_make_the_same_json_as_the_whole(value: object) -> None:
    assert trio.run(encoded_in_pieces, value) == encoded(value)


async def test_it_is_compact_json_in_utf_8() -> None:
    assert await encoded_in_pieces(Page(("ü",) * (FEW + 1))) == b'{"items":["\xc3\xbc"' + b',"\xc3\xbc"' * FEW + b"]}"
    assert json.loads(await encoded_in_pieces(Page((LONG,)))) == {"items": [LONG]}


async def test_others_have_their_turn_while_a_long_value_is_written() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    for value in ("x" * 100 * PIECE_CHARS, Page(("x" * 1000,) * (PIECE_CHARS // 10))):
        turns = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            await encoded_in_pieces(value)
            nursery.cancel_scope.cancel()
        assert turns >= 90
