"""How commands speak."""

from __future__ import annotations

import errno
import json
import os
import pty
import struct
import termios
from datetime import UTC, datetime, timedelta
from fcntl import ioctl
from pathlib import Path

import pytest

from xopc.cli.output import (
    WRONG_CREDENTIAL,
    ago,
    duration,
    fail,
    fitted,
    hints_about_sudo,
    in_commands,
    one_line,
    preview,
    print_json,
    print_table,
    seconds_since,
    sentence,
    size,
    tell_not_running,
    without_controls,
)


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("abc12345" + "-" * 16 + "xyz67890", "abc12345...xyz67890"),
        ("abc12345defghijkxyz67890", "abc12345...xyz67890"),
        ("abc12345defghijkxyz6789", "abc1...6789"),
        ("0123456789abcdef", "0123...cdef"),
        ("01234567", "01...67"),
        ("0123", "0...3"),
        ("012", "..."),
        ("", "..."),
    ],
)
def test_row_023_a_secret_is_shown_by_its_ends(secret: str, shown: str) -> None:
    assert preview(secret) == shown


@pytest.mark.parametrize("length", range(24))
def test_never_more_than_half_of_a_short_secret_is_shown(length: int) -> None:
    assert len(preview("x" * length).replace(".", "")) <= length / 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (0.9, "0 s"), (59.9, "59 s"), (60, "1 min"), (7199, "1 h"), (86_400, "1 d"), (200_000, "2 d")],
)
def test_a_span_is_told_in_its_largest_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1500, "1.5 kB"),
        (12_582_912, "12 MB"),
        (41_943_040_000, "41 GB"),
        (2 * 10**12, "2.0 TB"),
        (None, "-"),
        ("x", "-"),
    ],
)
def test_a_size_is_told_in_its_largest_unit(amount: object, text: str) -> None:
    assert size(amount) == text


def test_a_time_is_told_by_how_long_it_is_ago() -> None:
    then = datetime.now(UTC) - timedelta(seconds=100)
    since = seconds_since(then.isoformat().replace("+00:00", "Z"))
    assert since is not None
    assert 100 <= since < 110


@pytest.mark.parametrize("text", [None, "", "yesterday", 5, "2026-01-01T00:00:00"])
def test_what_is_no_time_is_not_told(text: object) -> None:
    assert seconds_since(text) is None


def test_a_failure_is_told_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail("It broke.", as_json=False, hints=["xopc gateway logs"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "❌ It broke.\n💡 xopc gateway logs\n"


def test_a_failure_as_json_is_told_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail("It broke.", as_json=True, hints=["a"], snapshot={"x": 1}) == 1
    shown = capsys.readouterr()
    assert shown.err == ""
    assert json.loads(shown.out) == {"ok": False, "error": "It broke.", "hints": ["a"], "snapshot": {"x": 1}}


def test_json_is_indented_and_survives_any_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"grüße": [1]})
    assert capsys.readouterr().out == '{\n  "gr\\u00fc\\u00dfe": [\n    1\n  ]\n}\n'


def test_nothing_to_stop_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell_not_running(as_json=False) == 0
    assert capsys.readouterr().out == "✅ Gateway service not loaded.\n💡 Start with: xopc gateway\n"
    assert tell_not_running(as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "result": "not-loaded", "hints": ["xopc gateway"]}


def test_whoever_finds_nothing_with_sudo_is_told_whose_gateway_was_looked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "amy")
    hint = "With sudo, root's gateway is meant. For that of amy leave sudo out."
    assert tell_not_running(as_json=False) == 0
    assert capsys.readouterr().out.endswith(f"💡 Start with: xopc gateway\n💡 {hint}\n")
    assert tell_not_running(as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["hints"] == ["xopc gateway", hint]
    monkeypatch.setenv("SUDO_USER", "root")
    assert hints_about_sudo() == []
    monkeypatch.setenv("SUDO_USER", "amy")
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert hints_about_sudo() == []


def test_an_error_of_the_system_is_a_sentence() -> None:
    assert sentence(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/a/b")) == "/a/b: No space left on device"
    assert sentence(OSError("odd")) == "odd"


def test_a_table_is_as_wide_as_what_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("KEY", "N"), [("a", "1"), ("longer", "")])
    assert capsys.readouterr().out == "KEY     N\na       1\nlonger\n"


def test_how_long_a_time_is_past_is_told_where_it_is_one() -> None:
    assert ago((datetime.now(UTC) - timedelta(seconds=100)).isoformat()) == "1 min ago"
    assert ago("yesterday") == "-"


def test_a_text_of_somebody_else_cannot_move_the_cursor() -> None:
    assert without_controls("\x1b[2Ja\rb\x7f\x9b\n\t文\u3000👩\u200d💻") == "�[2Jab��\n\t文\u3000👩\u200d💻"


def test_a_text_of_somebody_else_cannot_turn_the_line() -> None:
    assert without_controls("a\u202egpj.exe\u2066 שלום") == "a�gpj.exe� שלום"


def test_a_text_in_one_line_is_cut_where_it_is_too_long() -> None:
    assert one_line("a\n  b\x1b", 10) == "a b�"
    assert one_line("12345", 5) == "12345"
    assert one_line("123456", 5) == "1234…"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("There is no job. GET /api/cron lists them.", "There is no job. `xopc cron list` lists them."),
        ("GET /api/outbound?state=dead lists them.", "`xopc outbox list` lists them."),
        ("$.person: names nobody", "$.person: names nobody"),
        ("Wrong credential.", WRONG_CREDENTIAL),
    ],
)
def test_where_to_look_is_told_in_the_words_of_commands(said: str, told: str) -> None:
    assert in_commands(said) == told


def test_a_refusal_is_told_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail("Wrong credential.", as_json=False) == 1
    assert capsys.readouterr().err.endswith("xopc gateway status\n")


def test_columns_stand_below_each_other_where_signs_are_wide(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("NAME", "AT"), [("日本語", "1"), ("cafe\u0301s", "2"), ("plain", "3")])
    assert capsys.readouterr().out.splitlines() == ["NAME    AT", "日本語  1", "cafe\u0301s   2", "plain   3"]


def test_on_a_terminal_an_error_is_broken_between_words() -> None:
    ours, terminal = pty.openpty()
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))
    with os.fdopen(terminal, "w") as stream, os.fdopen(ours, "rb"):
        assert fitted("❌ The port 18790 is in use\n💡 Stop it", stream) == (
            "❌ The port 18790 is\n   in use\n💡 Stop it"
        )


def test_elsewhere_it_stays_as_it_is(tmp_path: Path) -> None:
    text = "❌ " + "a long line " * 20
    with (tmp_path / "output").open("w") as stream:
        assert fitted(text, stream) == text
    assert fitted(text, stream) == text
    assert fitted(text, None) == text
