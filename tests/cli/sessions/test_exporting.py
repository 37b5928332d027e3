from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.sessions.bodies import KEY, detail, message, session
from tests.fakes.scripted_api import Json, serving
from xopc.cli.sessions.exporting import export
from xopc.contracts.api.session_actions import ExportFormat


def read(key: str, *seqs: int) -> Json:
    of_key = detail(session(key), *(message("user", f"Number {seq}", seq=seq) for seq in seqs))
    before = seqs[0] if seqs[0] > 1 else None
    return Json({"session": of_key, "limit": 500, "hasMore": before is not None, "nextBefore": before})


def listed(*keys: str, more: bool = False) -> Json:
    items: list[dict[str, Any]] = [session(key) for key in keys]
    return Json({"items": items, "total": 9, "limit": 500, "offset": 0, "hasMore": more})


def test_a_session_is_written_out_whole_page_by_page(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(read(KEY, 3, 4), read(KEY, 1, 2)) as api:
        assert export(KEY) == 0
    text = capsys.readouterr().out
    assert [line for line in text.splitlines() if line.startswith("Number")] == [f"Number {n}" for n in (1, 2, 3, 4)]
    assert [asked.path.partition("?")[2] for asked in api.asked] == ["limit=500", "limit=500&before=3"]


def test_as_json_it_can_be_read_by_programs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = read(KEY, 1)
    with serving(answer, answer):
        assert export(KEY, format_=ExportFormat.JSON) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["key"], told["messages"][0]["content"]) == (KEY, "Number 1")
        assert export(KEY, format_=ExportFormat.JSON, as_json=True) == 0
    assert json.loads(json.loads(capsys.readouterr().out)["content"]) == told


def test_all_sessions_become_files_of_a_folder_and_one_that_went_meanwhile_does_not(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a" / "b"
    long = "subagent:" * 40 + "cron:x"
    missing = Json({"error": {"code": "SESSION_NOT_FOUND", "message": "There is none."}}, 404)
    with serving(listed(KEY, "gone", more=True), listed(long), read(KEY, 1), missing, read(long, 1)) as api:
        assert export(to=folder) == 0
    assert capsys.readouterr().out == f"✅ 2 sessions written to {folder}\n"
    first, second = sorted(folder.iterdir())
    assert first.name == "main.webchat.default.direct.default.md"
    assert len(second.name) < 220
    assert "Number 1" in first.read_text()
    assert first.stat().st_mode & 0o777 == 0o600
    assert api.asked[1].path == "/api/sessions?sortBy=createdAt&sortOrder=asc&limit=500&offset=2"


def test_a_folder_that_cannot_be_written_is_told(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with serving():
        assert export(to=tmp_path / "file" / "folder") == 1
    assert "The sessions cannot be written" in capsys.readouterr().err


def test_either_a_session_or_a_folder_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export() == export(KEY, to=Path()) == 1
    assert "Name a session" in capsys.readouterr().err
