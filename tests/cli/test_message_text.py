"""The text of a message as an argument."""

from __future__ import annotations

import io

import pytest

from xopc.cli.main import build_app
from xopc.cli.message_text import read_text
from xopc.contracts.errors import XopcError


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_an_argument_is_the_text_as_it_stands() -> None:
    assert read_text("  hello\n") == "  hello\n"


def test_a_hyphen_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, "Grüße\n\nfrom a file\r\n".encode())
    assert read_text("-") == "Grüße\n\nfrom a file"


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_nothing_is_no_message(text: str) -> None:
    with pytest.raises(XopcError, match="The message is empty"):
        read_text(text)


def test_a_closed_standard_input_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(XopcError, match="The message is empty"):
        read_text("-")


def test_what_is_not_utf_8_is_refused_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, b"abc\xff")
    with pytest.raises(XopcError, match=r"not UTF-8 \(byte 3\)"):
        read_text("-")


@pytest.mark.parametrize("text", ["-", "- one\n- two", "-5 degrees", "--", "-1"])
def test_a_text_may_begin_with_a_hyphen(text: str) -> None:
    _, bound, _ = build_app().parse_args(["agent", *(["--"] if text == "--" else []), text])
    assert bound.args == (text,)


@pytest.mark.parametrize("text", ["--jsn", "-s", "--no-strem"])
def test_a_misspelt_option_is_no_text(text: str) -> None:
    with pytest.raises(Exception, match=f"there is no option {text}"):
        build_app().parse_args(["agent", text], exit_on_error=False, print_error=False)
