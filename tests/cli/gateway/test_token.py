"""`xopc gateway token`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gateway import TOKEN, configure, running_gateway
from xopc.cli.gateway.service.install import install
from xopc.cli.gateway.token import token
from xopc.config.resolve import Flags, resolve
from xopc.contracts.errors import ConfigError, XopcError

pytestmark = pytest.mark.shows_secrets("the command is there to show one")


def token_as_json(capsys: pytest.CaptureFixture[str], code: int = 0, **options: Any) -> Any:  # noqa: ANN401 - JSON
    assert token(as_json=True, **options) == code
    return json.loads(capsys.readouterr().out)


def in_force() -> str | None:
    return resolve(os.environ, Flags()).auth.secret


def test_the_token_is_printed_in_full_with_its_use(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home)
    assert token() == 0
    text = capsys.readouterr().out
    assert text.startswith(f"🔑 Token: {TOKEN}\n   Preview: {TOKEN[:8]}...{TOKEN[-8:]}\n")
    assert "Authorization: Bearer <token>" in text
    assert "X-Api-Key: <token>" in text
    shown = token_as_json(capsys)
    assert (shown["ok"], shown["mode"], shown["token"], shown["warnings"]) == (True, "token", TOKEN, [])


def test_before_the_first_start_there_is_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = token_as_json(capsys, 1)
    assert shown["error"] == "There is no token yet: the first start generates one."
    assert "xopc gateway token --generate" in shown["hints"]
    assert list(home.iterdir()) == []


def test_for_scripts_the_token_stands_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home)
    assert token(plain=True) == 0
    assert capsys.readouterr().out == f"{TOKEN}\n"
    assert token(plain=True, generate=True) == 0
    assert capsys.readouterr().out == f"{in_force()}\n"
    configure(home, auth={"mode": "none"})
    assert token(plain=True) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Authentication is off" in shown.err


@pytest.mark.parametrize(
    ("auth", "text"),
    [({"mode": "none"}, "Authentication is off"), ({"mode": "password", "password": "a long one"}, "by password")],
)
def test_without_a_token_that_is_said(
    home: Path, capsys: pytest.CaptureFixture[str], auth: dict[str, str], text: str
) -> None:
    configure(home, auth=auth)
    assert token() == 0
    shown = capsys.readouterr().out
    assert shown.startswith("⚠️  ")
    assert text in shown
    assert "a long one" not in shown
    shown = token_as_json(capsys)
    assert (shown["mode"], shown["token"]) == (auth["mode"], None)
    assert text in shown["warnings"][0]


def test_a_new_one_is_48_hex_digits_in_a_private_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = token_as_json(capsys, generate=True)["token"]
    assert len(bytes.fromhex(first)) == 24
    path = home / ".xopc" / "xopc.json"
    assert json.loads(path.read_text()) == {"gateway": {"auth": {"mode": "token", "token": first}}}
    assert path.stat().st_mode & 0o777 == 0o600
    assert in_force() == first
    second = token_as_json(capsys, generate=True)["token"]
    assert second != first
    assert in_force() == second


def test_the_rest_of_the_file_stays(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = configure(home, port=4711, auth={"token": "short", "mode": "none"})
    path.write_text(path.read_text()[:-1] + ', "later": {"x": 1}}')
    new = token_as_json(capsys, generate=True)["token"]
    assert json.loads(path.read_text()) == {
        "gateway": {"port": 4711, "auth": {"token": new, "mode": "token"}},
        "later": {"x": 1},
    }


def test_a_password_gives_way(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home, auth={"mode": "password", "password": "a long one"})
    shown = token_as_json(capsys, generate=True)
    assert shown["warnings"] == ["The password was removed: clients present the token now."]
    assert in_force() == shown["token"]


def test_comments_are_kept_in_the_backup(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = configure(home)
    path.write_text("// mine\n{}")
    shown = token_as_json(capsys, generate=True)
    assert shown["warnings"] == ["xopc.json was written without its comments; they stand in xopc.json.bak."]
    assert path.with_name("xopc.json.bak").read_text() == "// mine\n{}"


def test_what_outranks_the_file_is_told(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XOPC_GATEWAY_TOKEN", TOKEN)
    assert "The environment outranks the file" in token_as_json(capsys, generate=True)["warnings"][0]


def test_what_is_still_wrong_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home, port="x")
    assert "$.gateway.port" in token_as_json(capsys, generate=True)["warnings"][0]


def test_a_running_gateway_takes_it_by_itself(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home):
        assert token(generate=True) == 0
    assert "restart" not in capsys.readouterr().err


def test_a_running_gateway_that_does_not_watch_needs_a_restart_for_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home):
        configure(home, reload={"mode": "off"})
        assert token(generate=True) == 0
    assert "⚠️  The running gateway takes it after: xopc gateway restart\n" in capsys.readouterr().err


def test_a_read_only_file_stays_as_it_is(home: Path) -> None:
    path = configure(home)
    path.chmod(0o400)
    before = path.read_text()
    with pytest.raises(XopcError, match=r"is read-only. Make it writable: chmod u\+w"):
        token(generate=True)
    assert path.read_text() == before


@pytest.mark.parametrize("text", ['{"gateway": 5}', '{"gateway": {"auth": []}}', "[]", "{"])
def test_a_file_that_is_no_configuration_stays_as_it_is(home: Path, text: str) -> None:
    path = configure(home)
    path.write_text(text)
    with pytest.raises(ConfigError):
        token(generate=True)
    assert path.read_text() == text


def test_another_file_can_be_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = token_as_json(capsys, generate=True, config=home / "other.json")["token"]
    assert new in (home / "other.json").read_text()
    assert not (home / ".xopc").exists()


def test_a_broken_configuration_is_told(home: Path) -> None:
    configure(home, port="x")
    with pytest.raises(ConfigError, match=r"gateway\.port"):
        token()


def test_a_token_that_is_kept_in_a_file_is_exchanged_there(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = configure(home)
    reference = {"token": "${file:secrets/token}", "mode": "token"}
    path.write_text(json.dumps({"gateway": {"auth": reference}}))
    kept = path.parent / "secrets" / "token"
    kept.parent.mkdir()
    kept.write_text(TOKEN)
    kept.chmod(0o600)
    assert token(generate=True, plain=True) == 0
    new = capsys.readouterr().out
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == (new, 0o600)
    assert new != TOKEN
    assert json.loads(path.read_text())["gateway"]["auth"] == reference


@pytest.mark.usefixtures("managers")
def test_a_new_token_says_that_the_service_has_the_old_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home)
    assert install() == 0
    capsys.readouterr()
    assert token(generate=True) == 0
    cure = "Run `xopc gateway service install --force` to sync."
    assert capsys.readouterr().err == f"⚠️  Token drift detected: service token differs from config. {cure}\n"
