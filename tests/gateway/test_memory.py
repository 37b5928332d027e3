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
