from __future__ import annotations

from pathlib import Path

import pytest

from xopc.config.local_key import keep_local_key, read_local_key


def test_a_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "credentials" / "local-0.key"
    key = keep_local_key(path)
    assert key is not None
    assert len(key) == 64
    assert read_local_key(path) == key.decode()
    assert keep_local_key(path) == key
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("content", [b"", b"short", b"Z" * 64, b"\xff" * 64, b"00" * 40])
def test_what_is_no_key_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "local.key"
    path.write_bytes(content)
    assert read_local_key(path) is None
    assert keep_local_key(path) is not None
    assert path.stat().st_mode & 0o777 == 0o600


def test_where_none_can_be_kept_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("a file where a directory should be")
    assert keep_local_key(tmp_path / "credentials" / "local.key") is None
    assert read_local_key(tmp_path / "nowhere") is None
