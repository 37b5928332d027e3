from __future__ import annotations

import pytest

from xopc.storage.path.sessions import Keeping, SessionQuery


@pytest.mark.parametrize(
    ("query", "narrows"),
    [
        (SessionQuery(), False),
        (SessionQuery(sort_by="createdAt", descending=False, limit=1, offset=5), False),
        (SessionQuery(channel="telegram"), True),
        (SessionQuery(agent_id="main"), True),
        (SessionQuery(search="a"), True),
        (SessionQuery(tags=("a",)), True),
        (SessionQuery(keepings=frozenset({Keeping.ACTIVE})), True),
        (SessionQuery(is_idle=True), True),
    ],
)
def test_a_query_that_asks_for_less_than_all_narrows(query: SessionQuery, narrows: bool) -> None:
    assert query.narrows is narrows
