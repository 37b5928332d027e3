"""`xopc gateway unlock`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.scripted_api import Json, serving
from xopc.cli.gateway.unlock import unlock
from xopc.contracts.errors import XopcError


@pytest.mark.parametrize(
    ("client", "unlocked", "said"),
    [
        (None, 0, "Nobody was blocked"),
        (None, 1, "✅ Unlocked 1 client"),
        (None, 3, "✅ Unlocked 3 clients"),
        ("192.0.2.7", 0, "192.0.2.7 was not blocked"),
        ("192.0.2.7", 2, "✅ Unlocked 192.0.2.7"),
    ],
)
def test_it_says_who_may_try_again(
    home: Path, capsys: pytest.CaptureFixture[str], client: str | None, unlocked: int, said: str
) -> None:
    with serving(Json({"ok": True, "unlocked": unlocked})) as api:
        assert unlock(client) == 0
    assert capsys.readouterr().out == f"{said}\n"
    (asked,) = api.asked
    assert (asked.method, asked.path) == ("POST", "/api/auth/unlock")
    assert asked.body == ({} if client is None else {"client": client})


def test_as_json_it_is_what_the_gateway_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"ok": True, "unlocked": 1})):
        assert unlock(as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "unlocked": 1}


def test_it_shows_the_local_key_so_that_it_is_not_blocked_itself(home: Path) -> None:
    key = "ab" * 32
    with serving(Json({"ok": True, "unlocked": 1})) as api:
        (path,) = [path for path in (home / ".xopc" / "locks").iterdir() if path.suffix == ".lock"]
        config_hash = path.name.split(".")[1]
        credentials = home / ".xopc" / "credentials"
        credentials.mkdir()
        (credentials / f"local-{config_hash}.key").write_text(key)
        unlock()
    assert api.asked[0].headers["x-xopc-local-key"] == key


def test_without_a_running_gateway_that_is_said(home: Path) -> None:
    with pytest.raises(XopcError, match="Gateway is not running"):
        unlock()
