from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import xopc
from xopc.gateway.trial import main, try_out
from xopc.storage.migrate import LATEST_SCHEMA, prepare


def test_nothing_to_complain_of_where_there_is_nothing_yet(home: Path) -> None:
    answer = try_out(os.environ)
    assert (answer["version"], answer["schema"], answer["found"]) == (xopc.__version__, LATEST_SCHEMA, 0)
    assert (answer["configuration"], answer["database"]) == (None, None)
    assert list(home.iterdir()) == []


def test_what_is_there_is_looked_at_and_left_as_it_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = home / ".xopc"
    state.mkdir()
    prepare(state / "xopc.db")
    (state / "xopc.json").write_text('{"gateway": {"bind": "everywhere"}}')
    before = (state / "xopc.db").read_bytes()
    assert main() == 0
    answer = json.loads(capsys.readouterr().out)
    assert "$.gateway.bind" in answer["configuration"]
    assert (answer["found"], answer["database"]) == (LATEST_SCHEMA, None)
    assert (state / "xopc.db").read_bytes() == before


def test_a_database_that_is_none_is_complained_of(home: Path) -> None:
    (home / ".xopc").mkdir()
    (home / ".xopc" / "xopc.db").write_text("no database at all" * 100)
    answer = try_out(os.environ)
    assert answer["found"] is None
    assert "xopc.db" in str(answer["database"])


def test_an_environment_that_names_no_place_is_told_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XOPC_PROFILE", "../up")
    assert main() == 78
    assert "XOPC_PROFILE" in capsys.readouterr().err
