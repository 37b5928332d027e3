"""Whatever a caller logs becomes one line of JSON, and one that a terminal can show."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

import pytest

from xopc.core.redact import Plain
from xopc.gateway.log.line import MAX_LINE_BYTES, compose, encode, plain, readable

NOW = datetime(2026, 11, 20, 23, 59, 58, 7_999, UTC)


class Colour(Enum):
    RED = "red"


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def line(**fields: object) -> dict[str, Plain]:
    return compose(NOW, "info", "xopc.test", "It happened.", fields)


def test_a_line_begins_with_its_own_keys_in_order() -> None:
    assert list(line(a=1).items()) == [
        ("timestamp", "2026-11-20T23:59:58.007Z"),
        ("level", "info"),
        ("message", "It happened."),
        ("module", "xopc.test"),
        ("a", 1),
    ]


def test_a_field_called_like_a_key_of_the_line_keeps_both() -> None:
    both = line(level="high", message="hello", module=3, timestamp=0)
    assert both["level"] == "info"
    assert (both["level_"], both["message_"], both["module_"], both["timestamp_"]) == ("high", "hello", 3, 0)


def test_a_message_that_is_no_text_is_told_by_its_text() -> None:
    assert compose(NOW, "error", "m", ValueError("x"), {})["message"] == "ValueError: x"  # type: ignore[arg-type] # structlog's loggers are untyped


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, None),
        (True, True),
        (float("nan"), "nan"),
        (Colour.RED, "red"),
        (b"a\xff", "a\\xff"),
        (Path("/a/b"), "/a/b"),
        (ValueError("x"), "ValueError: x"),
        ({1: (2, {3})}, {"1": [2, [3]]}),
        (Unprintable(), "<Unprintable, which RuntimeError kept from being printed>"),
    ],
)
def test_a_value_is_said_in_json(value: object, said: Plain) -> None:
    assert plain(value) == said


def test_a_list_that_holds_itself_ends() -> None:
    ring: list[object] = []
    ring.append(ring)
    assert "[...]" in json.dumps(plain(ring))


def test_an_exception_brings_its_traceback_and_those_of_its_group() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        raise ExceptionGroup("many", [KeyError("inner")])
    fields = line(exc_info=caught.value)
    assert "KeyError: 'inner'" in str(fields["traceback"])
    assert Path(__file__).name in str(fields["traceback"])


def test_exc_info_without_an_exception_says_nothing() -> None:
    assert list(line(exc_info=(None, None, None))) == ["timestamp", "level", "message", "module"]


def test_an_encoded_line_is_one_line_of_json() -> None:
    data = encode(line(text="a\nb", name="\udc80"))
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    assert json.loads(data)["text"] == "a\nb"


def test_a_long_text_keeps_its_ends_and_says_how_much_is_missing() -> None:
    data = encode(line(traceback="head" + "x" * 200_000 + "tail", nested={"deep": ["y" * 100_000]}))
    assert len(data) <= MAX_LINE_BYTES
    text = json.loads(data)["traceback"]
    assert text.startswith("head")
    assert text.endswith("tail")
    assert "183624 characters left out" in text


def test_a_line_of_too_many_fields_keeps_its_message() -> None:
    data = encode(line(many=list(range(100_000)), more=1))
    assert len(data) <= MAX_LINE_BYTES
    short = json.loads(data)
    assert short["message"] == "It happened."
    assert short["shortened"] == "2 fields were too long and are left out"


def test_a_line_just_within_the_limit_is_whole() -> None:
    room = MAX_LINE_BYTES - len(encode(line(text="")))
    assert json.loads(encode(line(text="x" * room)))["text"] == "x" * room
    assert "left out" in json.loads(encode(line(text="x" * (room + 1))))["text"]


def test_a_readable_line_has_local_time_level_message_module_and_fields() -> None:
    local = NOW.astimezone().strftime("%H:%M:%S")
    text = readable(line(port=18790, path="a b", empty="", host="127.0.0.1"), colour=False)
    assert text == f'{local} info  It happened. [xopc.test] port=18790 path="a b" empty="" host=127.0.0.1\n'


def test_a_traceback_stands_on_lines_of_its_own() -> None:
    text = readable({**line(), "traceback": "Traceback:\n  boom"}, colour=False)
    assert text.splitlines()[1:] == ["  Traceback:", "    boom"]


def test_colour_marks_the_level_alone_and_is_left_off_when_unwanted() -> None:
    assert "\x1b[32minfo \x1b[0m It happened." in readable(line(), colour=True)
    assert "\x1b" not in readable(line(), colour=False)


def test_what_a_client_sent_cannot_move_the_cursor() -> None:
    text = readable(compose(NOW, "warn", "m", "a\x1b[2Jb\nc", {"agent": "\x1b]0;x\x07"}), colour=False)
    assert "\x1b" not in text
    assert text.count("\n") == 1
    assert "a\\x1b[2Jb\\nc" in text
