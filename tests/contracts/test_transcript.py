from __future__ import annotations

from xopc.contracts.transcript import NO_USAGE, Usage


def test_usages_add_up() -> None:
    assert sum([Usage(1, 2), Usage(10, 20)], NO_USAGE) == Usage(11, 22)
