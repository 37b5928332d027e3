import gc
import weakref
from pathlib import Path

import pytest

from xopc.gateway import memory


def test_memory_is_told_in_bytes() -> None:
    use = memory.memory_use()
    assert use.pss is not None
    assert 1_000_000 < use.pss <= use.rss < 2_000_000_000


def test_a_system_without_the_file_tells_the_peak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ROLLUP", tmp_path / "missing")
    use = memory.memory_use()
    assert use.pss is None
    assert 1_000_000 < use.rss < 2_000_000_000


class Ring:
    """Something that holds itself."""

    def __init__(self) -> None:
        self.me = self


def test_what_stands_in_a_cycle_is_given_back() -> None:
    ring = weakref.ref(Ring())
    memory.collect_generation()
    assert ring() is None


def test_what_is_loaded_is_no_more_work_for_the_collector() -> None:
    memory.freeze_imports()
    try:
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
