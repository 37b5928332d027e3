from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.sessions.bodies import KEY
from tests.fakes.scripted_api import Json, serving
from xopc.cli.sessions.changing import archive, pin, rename, reset, unarchive, unpin
from xopc.client.http import RefusedError


@pytest.mark.parametrize(
    ("command", "answer", "told"),
    [
        (archive, {"archived": True}, "Session archived"),
        (unarchive, {"archived": False}, "Session is in the archive no longer"),
        (pin, {"pinned": True}, "Session pinned"),
        (unpin, {"pinned": False}, "Session is pinned no longer"),
        (reset, {"reset": True}, "Session begins anew"),
    ],
)
def test_a_session_is_changed_and_that_is_told(
    home: Path,
    capsys: pytest.CaptureFixture[str],
    command: Callable[..., int],
    answer: dict[str, bool],
    told: str,
) -> None:
    with serving(Json(answer), Json(answer)) as api:
        assert command(KEY) == 0
        assert capsys.readouterr().out == f"✅ {told}: {KEY}\n"
        assert command(KEY, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, **answer}
    assert (api.asked[0].method, api.asked[0].path.rpartition("/")[2]) == ("POST", command.__name__)


def test_a_session_gets_a_name_and_loses_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"renamed": True}), Json({"renamed": True})) as api:
        assert rename(KEY, "My\nlist") == 0
        assert rename(KEY, "") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"✅ Session is called My list: {KEY}",
        f"✅ Session has no name any more: {KEY}",
    ]
    assert [asked.body for asked in api.asked] == [{"name": "My\nlist"}, {"name": ""}]


def test_a_session_that_is_not_there_is_told(home: Path) -> None:
    missing = Json({"error": {"code": "SESSION_NOT_FOUND", "message": "There is no session with this key."}}, 404)
    with serving(missing), pytest.raises(RefusedError, match="There is no session with this key"):
        pin(KEY)
