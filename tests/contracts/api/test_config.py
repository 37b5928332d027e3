from __future__ import annotations

from xopc.contracts.api.config import Reloaded
from xopc.contracts.convert import unstructure


def test_what_came_of_a_reload_goes_out_whole() -> None:
    assert unstructure(Reloaded(reloaded=True, hot=("gateway.corsOrigins",))) == {
        "reloaded": True,
        "hot": ["gateway.corsOrigins"],
        "restart": [],
        "error": None,
        "warningCount": 0,
    }
