from __future__ import annotations

from pathlib import Path

import pytest

from tests.service.backup.worlds import World, world


@pytest.fixture
def there(tmp_path: Path) -> World:
    """A machine on which everything says `a`."""
    return world(tmp_path)
