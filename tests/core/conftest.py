from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.path_storage import InlineEngine, InlinePath, open_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[InlineEngine]:
    """A database that outlives the processes which use it."""
    with open_disk(tmp_path / "xopc.db") as disk:
        yield disk


@pytest.fixture
def storage(disk: InlineEngine) -> InlinePath:
    """What a first process sees of the database."""
    return InlinePath(disk)
