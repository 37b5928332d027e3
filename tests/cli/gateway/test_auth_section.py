from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.gateway import TOKEN, configure
from xopc.cli.gateway.auth_section import change_auth
from xopc.contracts.convert import JsonObject
from xopc.contracts.errors import ConfigError, Failure, XopcError


def with_mode(auth: JsonObject) -> JsonObject:
    return {**auth, "mode": "token"}


def test_the_section_changes_and_the_rest_stays(home: Path) -> None:
    path = configure(home, port=4711)
    assert change_auth(path, with_mode) == []
    assert json.loads(path.read_text()) == {"gateway": {"auth": {"token": TOKEN, "mode": "token"}, "port": 4711}}
    assert path.stat().st_mode & 0o777 == 0o600


def test_where_there_is_no_file_one_is_made(home: Path) -> None:
    path = home / "new" / "xopc.json"
    assert change_auth(path, with_mode) == []
    assert json.loads(path.read_text()) == {"gateway": {"auth": {"mode": "token"}}}


def test_comments_are_lost_with_a_warning(home: Path) -> None:
    path = configure(home)
    path.write_text("{gateway: {}} // mine")
    assert change_auth(path, with_mode) == ["xopc.json was written without its comments; they stand in xopc.json.bak."]


def test_a_change_that_is_refused_leaves_the_file_as_it_is(home: Path) -> None:
    path = configure(home)
    before = path.read_bytes()

    def refuse(auth: JsonObject) -> JsonObject:
        raise XopcError(Failure.CONFLICT, f"Not these {len(auth)}.")

    with pytest.raises(XopcError, match="Not these 1"):
        change_auth(path, refuse)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["xopc.json"]


@pytest.mark.parametrize(("text", "where"), [('{"gateway": 5}', "$.gateway"), ('{"gateway": {"auth": []}}', ".auth")])
def test_a_section_that_is_none_is_told(home: Path, text: str, where: str) -> None:
    path = configure(home)
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        change_auth(path, with_mode)
    assert f"{where}: must be an object" in caught.value.message
