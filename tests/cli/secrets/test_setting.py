from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gateway import TOKEN, configure
from xopc.cli.secrets import setting
from xopc.cli.secrets.setting import set_secret
from xopc.contracts.errors import ConfigError, Failure, XopcError

KEY = "an-invented-key"
CERTIFICATE_KEY = "gateway.tls.keyPassword"


Give = Callable[[bytes], None]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    def give(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    give(f"{KEY}\n".encode())
    return give


def content(path: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(path.read_text())


def refused(key: str) -> XopcError:
    with pytest.raises(XopcError) as caught:
        set_secret(key)
    assert KEY not in caught.value.message
    return caught.value


def test_a_secret_is_kept_in_a_file_that_the_configuration_refers_to(
    home: Path, give: Give, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configure(home)
    assert set_secret("providers.openai") == 0
    file = home / ".xopc" / "secrets" / "providers.openai"
    assert (file.read_text(), file.stat().st_mode & 0o777) == (f"{KEY}\n", 0o600)
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert content(path)["providers"] == {"openai": "${file:secrets/providers.openai}"}
    assert content(path)["gateway"]["auth"]["token"] == TOKEN
    told = capsys.readouterr()
    assert told.out == "✅ providers.openai is kept in ~/.xopc/secrets/providers.openai, which nobody else may read.\n"
    assert told.err == ""


def test_where_it_was_in_plain_text_the_backup_is_told(
    home: Path, give: Give, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configure(home)
    path.write_text('{"channels": {"telegram": {"botToken": "plain"}}, /* mine */ "gateway": {}}')
    assert set_secret("channels.telegram.botToken") == 0
    assert content(path)["channels"]["telegram"]["botToken"] == "${file:secrets/channels.telegram.botToken}"
    warnings = capsys.readouterr().err
    assert "without its comments" in warnings
    assert "What stood there before is in xopc.json.bak" in warnings


def test_where_there_is_a_file_already_it_is_exchanged_and_the_configuration_stays(home: Path, give: Give) -> None:
    path = configure(home)
    path.write_text('{"providers": {"openai": "${file:~/keys/openai}"}} // mine')
    before = path.read_bytes()
    assert set_secret("$.providers.openai") == 0
    assert (home / "keys" / "openai").read_text() == f"{KEY}\n"
    assert path.read_bytes() == before


def test_without_a_configuration_one_is_made(home: Path, give: Give, capsys: pytest.CaptureFixture[str]) -> None:
    assert set_secret("providers.openai", as_json=True) == 0
    assert content(home / ".xopc" / "xopc.json") == {"providers": {"openai": "${file:secrets/providers.openai}"}}
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["file"]) == (True, str(home / ".xopc" / "secrets" / "providers.openai"))


def test_at_a_terminal_it_is_asked_for_and_not_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    asked = list[str]()

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return KEY

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(setting.getpass, "getpass", ask)
    configure(home)
    assert set_secret(CERTIFICATE_KEY) == 0
    assert asked == ["gateway.tls.keyPassword: "]
    assert KEY not in capsys.readouterr().out


@pytest.mark.parametrize(
    "key",
    [
        "gateway.port",
        "gateway.auth.mode",
        "providers",
        "providers.",
        "providers.a/b",
        "gateway.auth.tokens.0.sha256",
        "",
    ],
)
def test_a_key_that_is_no_place_of_a_secret_is_refused(home: Path, give: Give, key: str) -> None:
    configure(home)
    assert refused(key).failure is Failure.INVALID_REQUEST
    assert not (home / ".xopc" / "secrets").exists()


@pytest.mark.parametrize(
    ("key", "given", "what"),
    [
        ("providers.openai", b"\n", "Standard input is empty"),
        ("providers.openai", b"\xff", "is not UTF-8"),
        ("providers.openai", b"x" * 70_000, "larger than 64 KiB"),
        ("providers.openai", b"one\ntwo\n", "several lines"),
        ("gateway.auth.token", b"short\n", "too short"),
        ("gateway.auth.password", b"changeme\n", "placeholder"),
    ],
    ids=["empty", "binary", "large", "lines", "short", "placeholder"],
)
def test_what_the_next_start_would_refuse_changes_nothing(
    home: Path, give: Give, key: str, given: bytes, what: str
) -> None:
    before = configure(home).read_bytes()
    give(given)
    assert what in refused(key).message
    assert configure(home).read_bytes() == before
    assert not (home / ".xopc" / "secrets").exists()


def test_a_configuration_that_cannot_be_changed_stays_and_so_do_the_secrets(home: Path, give: Give) -> None:
    path = configure(home)
    path.chmod(0o400)
    assert "chmod u+w" in refused("providers.openai").message
    path.chmod(0o600)
    path.write_text('{"providers": 5}')
    give(KEY.encode())
    assert isinstance(refused("providers.openai"), ConfigError)
    path.write_text("{")
    give(KEY.encode())
    assert isinstance(refused("providers.openai"), ConfigError)
    assert not (home / ".xopc" / "secrets").exists()


def test_that_the_configuration_is_wrong_all_the_same_is_told(
    home: Path, give: Give, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home)
    assert set_secret("gateway.auth.password") == 0
    assert "does not validate yet" in capsys.readouterr().err
