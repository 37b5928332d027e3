from __future__ import annotations

import json
import math

import pytest

from xopc.contracts.events import Token
from xopc.contracts.frames import Frame
from xopc.contracts.transcript import Usage


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (Frame("a", {}), "event: a\ndata: {}\n\n"),
        (Frame("a", {"n": 1}, "7"), 'id: 7\nevent: a\ndata: {"n":1}\n\n'),
        (Frame("a", Token("你好")), 'event: a\ndata: {"content":"你好","reset":false,"type":"token"}\n\n'),
        (Frame("a", {"usage": Usage(1, 2)}), 'event: a\ndata: {"usage":{"input":1,"output":2}}\n\n'),
        (Frame("a", {"text": "a\nb\r\u2028"}), 'event: a\ndata: {"text":"a\\nb\\r\u2028"}\n\n'),
        (Frame("a", {"half": "\ud83d"}), 'event: a\ndata: {"half":"\\ud83d"}\n\n'),
    ],
)
def test_a_frame_has_its_data_in_one_line(frame: Frame, text: str) -> None:
    assert frame.encoded.decode() == text


@pytest.mark.parametrize("odd", [{1, 2}, object(), math.nan, math.inf, b"bytes"])
def test_data_that_json_cannot_carry_becomes_an_error_of_its_own(odd: object) -> None:
    text = Frame("tool_start", {"args": {"odd": odd}}, "3").encoded.decode()
    number, event, data = text.strip().split("\n")
    assert (number, event) == ("id: 3", "event: tool_start")
    told = json.loads(data.removeprefix("data: "))
    assert told["type"] == "tool_start"
    assert told["error"] == "sse_payload_serialize_failed"
    assert told["message"]


def test_data_that_holds_itself_is_such_an_error_too() -> None:
    circle: dict[str, object] = {}
    circle["self"] = circle
    assert b"sse_payload_serialize_failed" in Frame("a", circle).encoded


def test_a_frame_is_encoded_once_however_many_get_it() -> None:
    data = {"n": 1}
    frame = Frame("a", data)
    before = frame.encoded
    data["n"] = 2
    assert frame.encoded is before
