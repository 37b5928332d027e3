"""`xopc channels add`."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.outside import Outside, outside
from tests.fakes.gateway import TOKEN
from tests.fakes.telegram_server import TOKEN as BOT_TOKEN
from xopc.cli.channels.adding import add
from xopc.contracts.errors import XopcError


@pytest.fixture(scope="module")
def servers() -> Iterator[Outside]:
    """A Bot API, for the tests of this file."""
    with outside() as both:
        yield both


@pytest.fixture
def root(servers: Outside) -> str:
    """Where it is."""
    return f"http://127.0.0.1:{servers.telegram_port}"


@pytest.fixture
def configured(home: Path) -> Callable[..., Path]:
    """Writes what is set for Telegram before."""

    def configured(**telegram: Any) -> Path:  # noqa: ANN401 - JSON
        path = home / ".xopc" / "xopc.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"gateway": {"auth": {"token": TOKEN}}, "channels": {"telegram": telegram}}))
        return path

    return configured


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """A file with the token that Telegram knows."""
    file = tmp_path / "bot-token"
    file.write_text(f"{BOT_TOKEN}\n")
    return file


def telegram_in(path: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(path.read_text())["channels"]["telegram"]


def test_a_bot_that_telegram_knows_is_written_down_with_its_owner(
    configured: Callable[..., Path], token: Path, root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configured()
    assert add("telegram", telegram_token_file=token, telegram_owner="4711", telegram_api_root=root) == 0
    shown = capsys.readouterr()
    assert shown.out == "✅ @example_bot is telegram:default in ~/.xopc/xopc.json\n"
    assert BOT_TOKEN not in shown.out + shown.err
    expected = {"botToken": BOT_TOKEN, "apiRoot": root, "allowFrom": ["4711"], "dmPolicy": "allowlist"}
    assert telegram_in(path) == expected


def test_a_gateway_without_a_file_gets_one(home: Path, token: Path, root: str) -> None:
    assert add("telegram", telegram_token_file=token, telegram_owner="4711", telegram_api_root=root) == 0
    path = home / ".xopc" / "xopc.json"
    assert telegram_in(path)["botToken"] == BOT_TOKEN
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_token_that_telegram_does_not_know_is_not_written(
    configured: Callable[..., Path], root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = configured(apiRoot=root).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.StringIO("1:an-invented-token-that-is-none\n"))
    with pytest.raises(XopcError, match=r"Telegram does not know this token\. Copy it again"):
        add("telegram", telegram_token_stdin=True)
    assert configured(apiRoot=root).read_bytes() == before


def test_a_telegram_that_cannot_be_reached_is_told_and_nothing_is_written(
    configured: Callable[..., Path], token: Path
) -> None:
    path = configured()
    with pytest.raises(XopcError, match="cannot be reached"):
        add("telegram", telegram_token_file=token, telegram_api_root="http://127.0.0.1:9")
    assert telegram_in(path) == {}


def test_a_token_of_the_environment_is_written_as_a_reference(
    configured: Callable[..., Path], root: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configured(apiRoot=root)
    monkeypatch.setenv("HOME_BOT", BOT_TOKEN)
    assert add("telegram", account="home", telegram_token_from_env="HOME_BOT", as_json=True) == 0
    assert telegram_in(path)["accounts"] == {"home": {"botToken": "${HOME_BOT}"}}
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["account"], told["name"]) == (True, "home", "@example_bot")
    assert told["warnings"] == ["Nobody may write to @example_bot yet: give your user id with --telegram-owner."]


def test_what_all_bots_have_is_not_narrowed_by_another_owner(
    configured: Callable[..., Path], token: Path, root: str
) -> None:
    path = configured(apiRoot=root, dmPolicy="allowlist", allowFrom=["7"])
    add("telegram", account="work", telegram_token_file=token, telegram_owner="4711")
    assert telegram_in(path)["allowFrom"] == ["7"]
    assert telegram_in(path)["accounts"]["work"]["allowFrom"] == ["7", "4711"]


def test_what_the_first_bot_is_given_is_not_given_to_the_others(
    configured: Callable[..., Path], token: Path, root: str
) -> None:
    others = {"work": {"botToken": "1:another-invented-token"}}
    path = configured(accounts=others)
    add("telegram", telegram_token_file=token, telegram_owner="4711", telegram_api_root=root)
    own = {"botToken": BOT_TOKEN, "apiRoot": root, "allowFrom": ["4711"], "dmPolicy": "allowlist"}
    assert telegram_in(path) == {"accounts": {**others, "default": own}}


def test_a_bot_that_is_open_to_all_stays_so(configured: Callable[..., Path], token: Path, root: str) -> None:
    path = configured(apiRoot=root, dmPolicy="open")
    add("telegram", telegram_token_file=token)
    assert telegram_in(path) == {"apiRoot": root, "dmPolicy": "open", "botToken": BOT_TOKEN}


@pytest.mark.parametrize("bot", [{"botToken": "1:another-invented-token"}, {"tokenFile": "/run/secrets/bot"}])
def test_an_account_that_has_a_bot_keeps_it(configured: Callable[..., Path], token: Path, bot: dict[str, str]) -> None:
    path = configured(**bot)
    with pytest.raises(XopcError, match="telegram:default has a bot") as caught:
        add("telegram", telegram_token_file=token)
    assert "xopc channels remove telegram --account default" in caught.value.message
    assert telegram_in(path) == bot


def test_a_bot_whose_token_is_kept_elsewhere_counts_as_one(configured: Callable[..., Path], token: Path) -> None:
    path = configured(botToken="${file:secrets/bot}")
    (path.parent / "secrets").mkdir()
    (path.parent / "secrets" / "bot").write_text("1:another-invented-token")
    with pytest.raises(XopcError, match="telegram:default has a bot"):
        add("telegram", telegram_token_file=token)


def test_one_bot_is_not_set_up_twice(configured: Callable[..., Path], token: Path, root: str) -> None:
    configured(botToken=BOT_TOKEN, apiRoot=root)
    with pytest.raises(XopcError, match="telegram:default is this bot already"):
        add("telegram", account="work", telegram_token_file=token, telegram_owner="4711")


def test_a_channel_that_is_switched_off_stays_off_and_that_is_told(
    configured: Callable[..., Path], token: Path, root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configured(enabled=False, apiRoot=root, allowFrom=["7"])
    assert add("telegram", telegram_token_file=token) == 0
    assert "xopc config set channels.telegram.enabled true" in capsys.readouterr().err
    assert telegram_in(path)["enabled"] is False


def test_a_bot_that_was_switched_off_is_switched_on(configured: Callable[..., Path], token: Path, root: str) -> None:
    path = configured(apiRoot=root, allowFrom=["7"], accounts={"work": {"enabled": False, "name": "Desk"}})
    add("telegram", account="work", telegram_token_file=token)
    assert telegram_in(path)["accounts"]["work"] == {"enabled": True, "name": "Desk", "botToken": BOT_TOKEN}


def test_without_a_terminal_the_options_for_a_token_are_named(
    configured: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    configured()
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(XopcError, match="--telegram-token-stdin, --telegram-token-file or"):
        add("telegram")
