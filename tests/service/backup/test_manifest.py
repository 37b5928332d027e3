from __future__ import annotations

import json
from typing import Any

import pytest

from xopc.contracts.errors import XopcError
from xopc.service.backup.manifest import LeftOut, Manifest, StoredFile, spelled
from xopc.storage.migrate import LATEST_SCHEMA

WHOLE = Manifest(
    1,
    "0.1.0",
    LATEST_SCHEMA,
    "2026-01-02T03:04:05+00:00",
    ("xopc.json",),
    (StoredFile("xopc.json", 3, "ab"), StoredFile("workspace/a", 4, "cd")),
    (LeftOut("workspace/b", "a link"),),
    1,
)


def changed(**values: object) -> bytes:
    told: dict[str, Any] = json.loads(WHOLE.to_json())
    return json.dumps({**told, **values}).encode()


def test_what_was_written_is_read_again() -> None:
    assert Manifest.from_json(WHOLE.to_json()) == WHOLE
    assert WHOLE.bytes == 7


@pytest.mark.parametrize("name", ["schema", "format"])
def test_what_a_newer_version_made_is_refused_and_names_that_version(name: str) -> None:
    with pytest.raises(XopcError, match=r"install xopc 9\.1 or a newer one.*Nothing was changed"):
        Manifest.from_json(changed(version="9.1", **{name: 999}))


def test_what_a_later_version_says_beyond_that_is_left_out() -> None:
    assert Manifest.from_json(changed(colour="blue")) == WHOLE


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"\xff", changed(files=[{"path": 1}]), changed(createdAt="x"), b"[" * 100_000]
)
def test_what_is_none_is_told(data: bytes) -> None:
    with pytest.raises(XopcError, match=r"manifest\.json cannot be read"):
        Manifest.from_json(data)


def test_no_two_names_are_spelled_alike() -> None:
    names = ["a\udcff", "a\\udcff", "a\\\\udcff", "a", "ä"]
    assert len({spelled(name) for name in names}) == len(names)
    assert all(spelled(name).encode() for name in names)
