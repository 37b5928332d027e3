"""The chat-completions wire, as values: what is sent, what comes back, and what an error means.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import json
import re
import uuid
from email.utils import parsedate_to_datetime
from typing import Any, cast

from attrs import define, field, frozen

from xopc.agent.keys import Key
from xopc.agent.providers.base import ErrorKind, ModelRequest, ProviderError
from xopc.contracts.convert import JsonObject
from xopc.contracts.transcript import NO_USAGE, Message, Role, ToolCall, Usage

MAX_TOKENS_FIELDS = ("max_tokens", "max_completion_tokens")
OPTIONAL_FIELDS = frozenset({*MAX_TOKENS_FIELDS, "temperature", "stream_options", "reasoning_effort"})
"""What can be left out of a request that is refused because of it."""

MAX_EVENT_BYTES = 1024 * 1024
MAX_REASON_CHARS = 300
_OVERFLOW = re.compile(
    r"context[ _](?:length|window|size)|maximum context|too many (?:input )?tokens|prompt is too long"
)


@frozen
class Dialect:
    """How a server differs from the one that all copied."""

    max_tokens_field: str = "max_tokens"
    usage_in_streaming: bool = True
    tool_result_name: bool = False


@frozen
class Endpoint:
    """Where a model is."""

    provider: str
    base_url: str
    """Without a slash at the end."""
    key: Key | None = None
    headers: dict[str, str] = field(factory=dict[str, str], repr=False)
    dialect: Dialect = Dialect()


def body_of(request: ModelRequest, dialect: Dialect, left_out: frozenset[str] = frozenset()) -> JsonObject:
    """The body of a request, without the fields `left_out`."""
    body: JsonObject = {
        "model": request.model,
        "messages": [_message(message, dialect) for message in request.messages],
        "stream": True,
    }
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in request.tools
        ]
    if dialect.usage_in_streaming:
        body["stream_options"] = {"include_usage": True}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.effort is not None:
        body["reasoning_effort"] = request.effort
    if request.max_tokens is not None:
        names = (dialect.max_tokens_field, *MAX_TOKENS_FIELDS)
        body[next((name for name in names if name not in left_out), names[0])] = request.max_tokens
    return {name: value for name, value in body.items() if name not in left_out}


def error_of(status: int, headers: dict[str, str], body: bytes, now: float) -> ProviderError:
    """What an answer that is no success means. `now`: seconds since the epoch."""
    reason = reason_of(body)
    said = f"HTTP {status}" + (f": {reason}" if reason else "")
    code = str(_error(body).get("code") or "")
    if code == "context_length_exceeded" or (status in (400, 413, 422) and _OVERFLOW.search(reason.lower())):
        return ProviderError(ErrorKind.CONTEXT_OVERFLOW, said)
    if status in (401, 402, 403) or code == "insufficient_quota":
        return ProviderError(ErrorKind.AUTH, said)
    if status in (408, 425, 429) or status >= 500:
        return ProviderError(ErrorKind.TRANSIENT, said, retry_after=_retry_after(headers, now))
    if status < 400:
        return ProviderError(ErrorKind.BAD_REQUEST, f"HTTP {status}, which is no answer of a model: is the URL right?")
    return ProviderError(ErrorKind.BAD_REQUEST, said)


def refused_field(status: int, body: bytes) -> str | None:
    """The optional field that a request was refused for."""
    name = _error(body).get("param")
    return name if status in (400, 422) and name in OPTIONAL_FIELDS else None


def reason_of(body: bytes) -> str:
    """The sentence of an error's body, in one line and cut; empty where there is none to show."""
    message = _error(body).get("message")
    text = message if isinstance(message, str) else ""
    line = " ".join(text.split())
    return line if len(line) <= MAX_REASON_CHARS else line[: MAX_REASON_CHARS - 1] + "…"


@define
class EventLines:
    """Finds the data of events in the bytes of a `text/event-stream`, of which nothing else is of use here.

    https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """

    _unread: bytes = b""
    _data: list[bytes] = field(factory=list[bytes])

    def feed(self, piece: bytes) -> list[str]:
        """The data of each event that `piece` completes.

        Raises:
            ProviderError: an event has no end in sight.
        """
        # A lone CR ends a line too, but no server sends one; CR LF is taken care of below.
        *lines, self._unread = (self._unread + piece).split(b"\n")
        if len(self._unread) + sum(map(len, self._data)) > MAX_EVENT_BYTES:
            raise ProviderError(ErrorKind.TRANSIENT, "the answer holds an event without an end")
        events: list[str] = []
        for line in lines:
            name, _, value = line.rstrip(b"\r").partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            elif not name and not value and self._data:
                events.append(b"\n".join(self._data).decode(errors="replace"))
                self._data.clear()
        return events


@define
class Assembler:
    """Puts the pieces of a streamed answer together."""

    usage: Usage = NO_USAGE
    finished: bool = False
    """A reason to finish came, so the answer is whole."""
    filtered: bool = False
    _calls: list[dict[str, str]] = field(factory=list[dict[str, str]])
    _at: dict[int, int] = field(factory=dict[int, int])
    """Where in `_calls` the call of an index is."""

    def feed(self, data: str) -> str:
        """Take one event's data; gives the text in it.

        Raises:
            ProviderError: it is none, or it is an error.
        """
        try:
            chunk: object = json.loads(data)
        except ValueError:
            chunk = None
        if not isinstance(chunk, dict):
            raise ProviderError(ErrorKind.TRANSIENT, "the answer holds something that is not a chunk of an answer")
        event = cast("JsonObject", chunk)
        if event.get("error"):
            raise ProviderError(ErrorKind.TRANSIENT, reason_of(data.encode()) or "the answer broke off with an error")
        self._take_usage(event.get("usage"))
        choices = _list(event.get("choices"))
        return self._take(_dict(choices[0])) if choices else ""

    def calls(self) -> tuple[ToolCall, ...]:
        """The calls of tools, in order."""
        return tuple(
            ToolCall(call["id"] or f"call_{uuid.uuid4().hex[:16]}", call["name"], call["arguments"] or "{}")
            for call in self._calls
        )

    def _take(self, choice: JsonObject) -> str:
        delta = _dict(choice.get("delta"))
        for fragment in _list(delta.get("tool_calls")):
            self._take_fragment(_dict(fragment))
        if choice.get("finish_reason"):
            self.finished = True
            self.filtered = choice["finish_reason"] == "content_filter"
        return _text(delta.get("content"))

    def _take_fragment(self, fragment: JsonObject) -> None:
        function = _dict(fragment.get("function"))
        index = fragment.get("index")
        number = index if isinstance(index, int) else 0
        call_id = _text(fragment.get("id"))
        place = self._at.get(number)
        # Some servers give each of several calls the index 0, and tell them apart by their ids alone.
        if place is None or (call_id and self._calls[place]["id"] not in ("", call_id)):
            place = self._at[number] = len(self._calls)
            self._calls.append({"id": "", "name": "", "arguments": ""})
        call = self._calls[place]
        call["id"] = call_id or call["id"]
        call["name"] += _text(function.get("name"))
        call["arguments"] += _text(function.get("arguments"))

    def _take_usage(self, usage: object) -> None:
        counts = _dict(usage)
        taken, given = counts.get("prompt_tokens"), counts.get("completion_tokens")
        if isinstance(taken, int) and isinstance(given, int):
            self.usage = Usage(taken, given)


def _message(message: Message, dialect: Dialect) -> JsonObject:
    value: JsonObject = {"role": message.role.value, "content": message.content}
    if message.role is Role.ASSISTANT and message.tool_calls:
        value["content"] = message.content or None
        value["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _object(call.arguments)}}
            for call in message.tool_calls
        ]
    if message.role is Role.TOOL:
        value["tool_call_id"] = message.tool_call_id or ""
        if dialect.tool_result_name and message.tool_name:
            value["name"] = message.tool_name
    return value


def _object(arguments: str) -> str:
    """The same arguments, or none where they are malformed: some servers refuse what they cannot parse."""
    try:
        return arguments if isinstance(json.loads(arguments), dict) else "{}"
    except ValueError:
        return "{}"


def _error(body: bytes) -> JsonObject:
    """The error object; `{"error": {…}}`, `{"error": "…"}`, `{"message": "…"}` and lists of these are about."""
    try:
        value: Any = json.loads(body)
    except ValueError:
        return {}
    if isinstance(value, list):
        value = (cast("list[Any]", value) or [None])[0]
    outer = _dict(value)
    error: Any = outer.get("error", outer)
    return {"message": error} if isinstance(error, str) else _dict(error)


def _retry_after(headers: dict[str, str], now: float) -> float | None:
    """Seconds, from `retry-after-ms` or from `retry-after` in either of its forms (RFC 9110 section 10.2.3)."""
    text = headers.get("retry-after", "").strip()
    try:
        if milliseconds := headers.get("retry-after-ms", "").strip():
            return max(0.0, float(milliseconds) / 1000)
        return max(0.0, float(text)) if text else None
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except ValueError:
        return None


def _dict(value: object) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
