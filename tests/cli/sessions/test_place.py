from __future__ import annotations

import pytest

from xopc.cli.sessions.place import path_of


@pytest.mark.parametrize("key", ["../../config", "a/b?c#d", "ü", "main:webchat:default:direct:x"])
def test_a_key_stays_one_segment_of_the_path(key: str) -> None:
    assert path_of(key).count("/") == 3
    assert path_of(key, "pin").count("/") == 4
    assert not {"?", "#"} & set(path_of(key))
