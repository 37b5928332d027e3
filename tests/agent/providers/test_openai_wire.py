from __future__ import annotations

import json
from typing import Any

import pytest

from xopc.agent.providers.base import ErrorKind, ModelRequest, ProviderError, ToolSpec
from xopc.agent.providers.openai_wire import (
    MAX_EVENT_BYTES,
    Assembler,
    Dialect,
    EventLines,
    body_of,
    error_of,
    reason_of,
    refused_field,
)
from xopc.contracts.transcript import NO_USAGE, Message, Role, ToolCall, Usage

USER = Message(Role.USER, "hello")


def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": None})


def calls_of(*fragments: dict[str, Any]) -> tuple[ToolCall, ...]:
    assembler = Assembler()
    for fragment in fragments:
        assert assembler.feed(chunk({"tool_calls": [fragment]})) == ""
    return assembler.calls()


def fragment(index: int | None, call_id: str | None = None, name: str | None = None, text: str = "") -> dict[str, Any]:
    return {"index": index, "id": call_id, "function": {"name": name, "arguments": text}}


def test_a_request_is_what_the_reference_says() -> None:
    call = ToolCall("1", "clock", '{"zone": "UTC"}')
    messages = (
        Message(Role.SYSTEM, "Be kind."),
        USER,
        Message(Role.ASSISTANT, "", (call,)),
        Message(Role.TOOL, "noon", tool_call_id="1", tool_name="clock"),
        Message(Role.ASSISTANT, "It is noon."),
    )
    tool = ToolSpec("clock", "Tells the time.", {"type": "object"})
    assert body_of(ModelRequest("m", messages, (tool,), 100, 0.5), Dialect()) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "hello"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "clock", "arguments": '{"zone": "UTC"}'}}
                ],
            },
            {"role": "tool", "content": "noon", "tool_call_id": "1"},
            {"role": "assistant", "content": "It is noon."},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "clock", "description": "Tells the time.", "parameters": {"type": "object"}},
            }
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 100,
        "temperature": 0.5,
    }


def test_what_is_not_set_is_not_sent() -> None:
    body = body_of(ModelRequest("m", (USER,)), Dialect(usage_in_streaming=False))
    assert set(body) == {"model", "messages", "stream"}


def test_how_long_to_think_is_sent_where_it_is_said_and_taken() -> None:
    request = ModelRequest("m", (USER,), effort="high")
    assert body_of(request, Dialect())["reasoning_effort"] == "high"
    assert "reasoning_effort" not in body_of(request, Dialect(), frozenset({"reasoning_effort"}))


def test_a_dialect_is_spoken() -> None:
    result = Message(Role.TOOL, "noon", tool_call_id="1", tool_name="clock")
    body = body_of(ModelRequest("m", (result,), max_tokens=5), Dialect("max_completion_tokens", tool_result_name=True))
    assert body["max_completion_tokens"] == 5
    assert "max_tokens" not in body
    assert body["messages"][0]["name"] == "clock"


def test_a_field_that_was_refused_is_left_out_and_the_limit_takes_its_other_name() -> None:
    request = ModelRequest("m", (USER,), max_tokens=5, temperature=0.5)
    body = body_of(request, Dialect(), frozenset({"temperature", "max_tokens", "stream_options"}))
    assert set(body) == {"model", "messages", "stream", "max_completion_tokens"}
    both = frozenset({"max_tokens", "max_completion_tokens"})
    assert not both & set(body_of(request, Dialect(), both))


@pytest.mark.parametrize("arguments", ['{"a": ', "[1]", "", "null"])
def test_malformed_arguments_are_not_sent_back(arguments: str) -> None:
    message = Message(Role.ASSISTANT, "", (ToolCall("1", "clock", arguments),))
    body = body_of(ModelRequest("m", (message,)), Dialect())
    assert body["messages"][0]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_text_comes_in_pieces_and_usage_at_the_end() -> None:
    assembler = Assembler()
    assert assembler.feed(chunk({"role": "assistant", "content": ""})) == ""
    assert assembler.feed(chunk({"content": "Hel"})) == "Hel"
    assert assembler.feed(chunk({"content": "lo"})) == "lo"
    assert not assembler.finished
    assert assembler.feed(chunk({"content": None}, "stop")) == ""
    assert assembler.finished
    assert assembler.feed('{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}') == ""
    assert assembler.usage == Usage(3, 2)
    assert assembler.calls() == ()


def test_calls_of_tools_come_in_fragments() -> None:
    assert calls_of(
        fragment(0, "a", "clock", ""),
        fragment(0, text='{"zone"'),
        fragment(1, "b", "status"),
        fragment(0, text=': "UTC"}'),
    ) == (ToolCall("a", "clock", '{"zone": "UTC"}'), ToolCall("b", "status", "{}"))


def test_calls_that_share_an_index_are_told_apart_by_their_ids() -> None:
    assert calls_of(fragment(0, "a", "clock", "{}"), fragment(0, "b", "status", "{}")) == (
        ToolCall("a", "clock", "{}"),
        ToolCall("b", "status", "{}"),
    )


def test_calls_without_an_id_get_one_each() -> None:
    first, second = calls_of(fragment(0, None, "clock"), fragment(1, None, "clock"))
    assert first.id.startswith("call_")
    assert first.id != second.id


def test_a_filtered_answer_is_known_as_one() -> None:
    assembler = Assembler()
    assembler.feed(chunk({}, "content_filter"))
    assert assembler.filtered


@pytest.mark.parametrize("data", ["nonsense", "[]", "3"])
def test_what_is_no_chunk_is_refused(data: str) -> None:
    with pytest.raises(ProviderError, match="not a chunk"):
        Assembler().feed(data)


@pytest.mark.parametrize(
    "data", ['{"choices": [3]}', '{"choices": {}}', '{"choices": [{"delta": {"tool_calls": 5}}]}', "{}"]
)
def test_a_chunk_that_says_nothing_is_passed_over(data: str) -> None:
    assembler = Assembler()
    assert assembler.feed(data) == ""
    assert (assembler.calls(), assembler.usage) == ((), NO_USAGE)


def test_an_error_inside_the_stream_is_one() -> None:
    with pytest.raises(ProviderError, match="Overloaded") as caught:
        Assembler().feed('{"error": {"message": "Overloaded", "code": 502}, "choices": []}')
    assert caught.value.kind is ErrorKind.TRANSIENT


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_found_however_the_bytes_are_cut(size: int) -> None:
    stream = (
        ": comment\r\n\r\ndata: één\r\nid: 1\r\n\r\nevent: x\ndata:two\ndata: lines\n\n\n\ndata: [DONE]\n\n".encode()
    )
    lines, events = EventLines(), list[str]()
    for start in range(0, len(stream), size):
        events += lines.feed(stream[start : start + size])
    assert events == ["één", "two\nlines", "[DONE]"]


def test_an_event_without_an_end_is_refused() -> None:
    lines = EventLines()
    lines.feed(b"data: " + b"x" * (MAX_EVENT_BYTES - 10))
    with pytest.raises(ProviderError, match="without an end"):
        lines.feed(b"x" * 20)


def error(message: str, code: str | None = None, param: str | None = None) -> bytes:
    return json.dumps({"error": {"message": message, "type": "t", "code": code, "param": param}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, error("No."), ErrorKind.BAD_REQUEST),
        (404, error("The model does not exist.", "model_not_found"), ErrorKind.BAD_REQUEST),
        (400, error("Too long.", "context_length_exceeded"), ErrorKind.CONTEXT_OVERFLOW),
        (400, error("This model's maximum context length is 8192 tokens."), ErrorKind.CONTEXT_OVERFLOW),
        (401, error("Incorrect API key."), ErrorKind.AUTH),
        (402, error("Insufficient balance."), ErrorKind.AUTH),
        (403, b"", ErrorKind.AUTH),
        (429, error("Slow down.", "rate_limit_exceeded"), ErrorKind.TRANSIENT),
        (429, error("You exceeded your quota.", "insufficient_quota"), ErrorKind.AUTH),
        (408, b"", ErrorKind.TRANSIENT),
        (500, b"<html>", ErrorKind.TRANSIENT),
        (503, error("The context size of the server is unknown."), ErrorKind.TRANSIENT),
        (302, b"", ErrorKind.BAD_REQUEST),
    ],
)
def test_each_status_has_its_kind(status: int, body: bytes, kind: ErrorKind) -> None:
    failure = error_of(status, {}, body, 0.0)
    assert failure.kind is kind
    assert failure.message.startswith(f"HTTP {status}")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "-7"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_pause_that_is_asked_for_is_known(headers: dict[str, str], seconds: float | None) -> None:
    assert error_of(429, headers, b"", 10.0).retry_after == seconds


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (error("No\n  way."), "No way."),
        (b'{"error": "No."}', "No."),
        (b'{"message": "No."}', "No."),
        (b'[{"error": {"message": "No."}}]', "No."),
        (b"[]", ""),
        (b"<html>", ""),
        (b'{"error": {"message": 3}}', ""),
        (error("x" * 400), "x" * 299 + "…"),
    ],
)
def test_the_reason_is_found_wherever_it_stands(body: bytes, reason: str) -> None:
    assert reason_of(body) == reason


@pytest.mark.parametrize(
    ("status", "param", "field"),
    [
        (400, "temperature", "temperature"),
        (422, "max_tokens", "max_tokens"),
        (400, "messages", None),
        (401, "temperature", None),
        (400, None, None),
    ],
)
def test_a_field_that_can_be_left_out_is_known(status: int, param: str | None, field: str | None) -> None:
    assert refused_field(status, error("Unsupported.", "unsupported_parameter", param)) == field
