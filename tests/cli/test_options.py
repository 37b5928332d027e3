"""Options that several commands have."""

from __future__ import annotations

import io
from typing import Annotated

import pytest
from cyclopts import App, CycloptsError, Parameter

from xopc.cli.options import CredentialOption, DurationOption, UrlOption

app = App(result_action="return_value")


@app.default
def echo(
    *,
    wait: Annotated[DurationOption | None, Parameter(help="A span.")] = None,
    url: UrlOption = None,
) -> tuple[float | None, str | None]:
    return wait, url


def parse(*arguments: str) -> tuple[float | None, str | None]:
    return app(arguments, exit_on_error=False, print_error=False)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("500ms", 0.5), ("1m", 60), ("30", 30), ("1ms", 0.001), ("999999999", 999999999)]
)
def test_row_052_a_duration_has_a_unit_or_is_in_seconds(text: str, seconds: float) -> None:
    assert parse("--wait", text) == (seconds, None)


@pytest.mark.parametrize(
    "text", ["", "s", "5x", "5 s", "1.5s", "-5s", "5S", "1h", "0", "0ms", "9999999999", "٣s", "5s5"]
)
def test_row_052_another_duration_is_refused(text: str) -> None:
    with pytest.raises(CycloptsError, match=r"is not a duration: write 30s, 500ms or 1m|--wait"):
        parse("--wait", text)


def test_a_url_is_taken() -> None:
    assert parse("--url", "http://gateway.example.com") == (None, "http://gateway.example.com")


@pytest.mark.parametrize("text", ["localhost", "ftp://localhost", "http://localhost:99999"])
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(CycloptsError, match="--url"):
        parse("--url", text)


def show(*arguments: str) -> str | None:
    app = App(result_action="return_value")

    @app.default
    def back(*, token: CredentialOption = None) -> str | None:
        return token

    return app(arguments, exit_on_error=False, print_error=False)


def test_a_token_need_not_stand_in_the_list_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a-token-of-the-tests\nmore"))
    assert show("--token", "-") == "a-token-of-the-tests"
    assert show("--token", "another") == "another"
    assert show() is None


def test_standard_input_without_a_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(CycloptsError, match="standard input has no line with a token"):
        show("--token", "-")


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_a_token_that_is_not_utf_8_is_refused(errors: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\n"), "utf-8", errors))
    with pytest.raises(CycloptsError, match="what came in on standard input is not UTF-8"):
        show("--token", "-")
