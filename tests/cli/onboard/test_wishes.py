"""The options of a set-up, and the secrets that they name."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from cyclopts import App, CycloptsError, Parameter

from xopc.cli.onboard.wishes import Secret, SecretMode, Wishes, read_secrets
from xopc.contracts.errors import XopcError
from xopc.contracts.settings.file import BindMode


def parsed(*words: str) -> Wishes:
    app = App(default_parameter=Parameter(negative=()), result_action="return_value")

    @app.default
    def take(*, wishes: Wishes | None = None) -> Wishes:
        return wishes or Wishes()

    return app(list(words), exit_on_error=False, print_error=False)


def test_without_options_nothing_is_said() -> None:
    assert parsed() == Wishes()
    assert parsed().service is None


@pytest.mark.parametrize(
    ("words", "wishes"),
    [
        (["--gateway-port", "19000", "--gateway-bind", "lan"], Wishes(port=19000, bind=BindMode.LAN)),
        (["--install-daemon"], Wishes(service=True)),
        (["--no-install-daemon"], Wishes(service=False)),
        (["--skip-daemon"], Wishes(service=False)),
        (["--no-service"], Wishes(service=False)),
        (["--skip-health", "--skip-channels"], Wishes(skip_hello=True, skip_telegram=True)),
        (["--secret-input-mode", "plaintext"], Wishes(secret_input_mode=SecretMode.PLAINTEXT)),
    ],
)
def test_the_names_of_openclaw_mean_the_same(words: list[str], wishes: Wishes) -> None:
    assert parsed(*words) == wishes


@pytest.mark.parametrize("words", [["--port", "0"], ["--port", "65536"], ["--bind", "moon"]])
def test_what_cannot_be_is_refused(words: list[str]) -> None:
    with pytest.raises(CycloptsError):
        parsed(*words)


def test_a_secret_of_the_environment_stays_there() -> None:
    given = read_secrets(Wishes(model_key_from_env="MY_KEY"), {"MY_KEY": " sk-invented \n"})
    assert given.model_key == Secret("sk-invented", "MY_KEY")
    assert Secret("sk-invented", "MY_KEY").written == "${MY_KEY}"


def test_or_it_is_written_where_that_is_wanted() -> None:
    wishes = Wishes(telegram_token_from_env="BOT", secret_input_mode=SecretMode.PLAINTEXT)
    given = read_secrets(wishes, {"BOT": "1:abc"})
    assert given.telegram_token is not None
    assert given.telegram_token.written == "1:abc"


def test_a_secret_that_looks_like_a_reference_is_none() -> None:
    assert Secret("a${B}c").written == "a$${B}c"


def test_a_secret_is_never_shown() -> None:
    assert "sk-invented" not in repr(Secret("sk-invented", "MY_KEY"))


def test_files_and_standard_input_hold_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    path.write_text("\ufeffinvented-token\n", "utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("sk-first\n2:second\n"))
    wishes = Wishes(model_key_stdin=True, telegram_token_stdin=True, gateway_token_file=path)
    given = read_secrets(wishes, {})
    assert given.model_key == Secret("sk-first")
    assert given.telegram_token == Secret("2:second")
    assert given.gateway_token == Secret("invented-token")


def test_a_token_may_stand_on_the_command_line() -> None:
    assert read_secrets(Wishes(gateway_token="abc"), {}).gateway_token == Secret("abc")


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        (Wishes(model_key_from_env="LACKING"), "The environment variable LACKING is not set, or is empty."),
        (Wishes(model_key_stdin=True), "Standard input has no line with the model's key."),
        (Wishes(model_key_stdin=True, model_key_from_env="SET"), "--model-key name 2 secrets where one is needed."),
    ],
)
def test_a_secret_that_is_not_there_is_told(wishes: Wishes, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = "" if wishes.model_key_from_env is None else "a key\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(first))
    with pytest.raises(XopcError, match=message):
        read_secrets(wishes, {"SET": "x"})


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_what_is_not_utf_8_on_standard_input_is_told(errors: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\n"), "utf-8", errors))
    with pytest.raises(XopcError, match=r"^The bot's token: what came in on standard input is not UTF-8\.$"):
        read_secrets(Wishes(telegram_token_stdin=True), {})


@pytest.mark.parametrize(("content", "message"), [(b"", "is empty"), (b"\xff\xfe\x00", "is not UTF-8")])
def test_a_file_without_a_secret_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(XopcError, match=message):
        read_secrets(Wishes(model_key_file=path), {})
