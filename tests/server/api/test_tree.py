from __future__ import annotations

from quart_trio import QuartTrio

from tests.fakes.asgi import ask
from tests.fakes.generation import AT, BEARER


async def test_the_tree_is_told_down_to_its_leaves(app: QuartTrio) -> None:
    answer = await ask(app, "GET", "/api/tree", [BEARER])
    running = {"state": "running", "since": AT, "restarts": 0, "lastError": None}
    lane: dict[str, object] = {
        "name": "lane",
        "state": "backing-off",
        "since": AT,
        "restarts": 2,
        "lastError": "refused",
        "children": [],
    }
    assert answer.status == 200
    assert answer.json == {"name": "main", **running, "children": [{"name": "outbox", **running, "children": [lane]}]}
