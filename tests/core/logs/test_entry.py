"""Lines as they are shown, and which of them match."""

from __future__ import annotations

import json
from typing import Any

import pytest

from xopc.contracts.api.logs import LogFilter, LogLevel
from xopc.core.logs.entry import MAX_DEPTH, MAX_MESSAGE_CHARS, Wanted, moment_of, parse, shown

SECRET = "sk-an-invented-key-0123456789"


def encoded(**fields: object) -> bytes:
    line = {"timestamp": "2026-11-20T10:00:00.000Z", "level": "info", "message": "Hello.", "module": "xopc.outbox"}
    return json.dumps({**line, **fields}, ensure_ascii=False, separators=(",", ":")).encode()


def matches(data: bytes, **query: Any) -> bool:  # noqa: ANN401 - of a filter
    return Wanted.of(LogFilter(**query)).find(data) is not None


def test_a_line_is_its_keys_and_fields() -> None:
    assert parse(encoded(level="warn", session="s", count=1)) == {
        "timestamp": "2026-11-20T10:00:00.000Z",
        "level": "warn",
        "message": "Hello.",
        "module": "xopc.outbox",
        "session": "s",
        "count": 1,
    }


@pytest.mark.parametrize(
    "data",
    [
        b"Killed",
        b"{",
        b"[1]",
        b"5",
        b"null",
        b'"a"',
        b"{'a': 1}",
        b'{"torn":',
        b"[" * 50_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
    ],
)
def test_what_is_no_log_line_is_the_message_of_one(data: bytes) -> None:
    assert parse(data) == {"timestamp": None, "level": "info", "message": data.decode()}


def test_bytes_that_are_no_text_are_shown_as_far_as_they_go() -> None:
    assert parse(b"a\xffb")["message"] == "a\ufffdb"
    assert len(parse(b"x" * 2 * MAX_MESSAGE_CHARS)["message"]) == MAX_MESSAGE_CHARS


def test_a_line_of_somebody_else_gets_what_it_lacks() -> None:
    assert parse(b'{"message": {"a": 1}}') == {"timestamp": None, "level": "info", "message": '{"a": 1}'}
    assert parse(b'{"level": "LOUD", "timestamp": 5}') == {"timestamp": None, "level": "info", "message": ""}
    assert parse(b'{"level": ["info"], "n": 1e999, "m": NaN}') == {
        "timestamp": None,
        "level": "info",
        "message": "",
        "n": "1e999",
        "m": "NaN",
    }


def test_a_value_may_be_so_deep() -> None:
    data = b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH
    assert "a" in parse(data)
    assert "a" not in parse(b'{"a":' + data + b"}")


def test_secrets_are_masked_on_the_way_out() -> None:
    entry = shown(parse(encoded(message=f"The key is {SECRET}.", apiKey="short", inner={"token": SECRET})))
    assert SECRET not in json.dumps(entry)
    assert entry["apiKey"] == "***"


def test_own_keys_come_first() -> None:
    assert list(shown(parse(b'{"a": 1, "module": "m", "message": "x"}'))) == [
        "timestamp",
        "level",
        "message",
        "module",
        "a",
    ]


@pytest.mark.parametrize("text", ["2026-11-20T11:00:00+01:00", "2026-11-20T10:00:00", "2026-11-20T10:00:00.000Z"])
def test_a_timestamp_is_a_moment_in_whatever_zone(text: str) -> None:
    moment = moment_of({"timestamp": text})
    assert moment is not None
    assert moment.timestamp() == 1795168800


@pytest.mark.parametrize("text", [None, "", "yesterday"])
def test_a_line_may_be_of_no_time(text: str | None) -> None:
    assert moment_of({"timestamp": text}) is None


def test_the_levels_are_exactly_those() -> None:
    wanted = (LogLevel.WARN, LogLevel.FATAL)
    assert [level.value for level in LogLevel if matches(encoded(level=level.value), level=wanted)] == ["warn", "fatal"]
    assert matches(b'{"timestamp": null, "level": "warn", "message": ""}', level=wanted)
    assert not matches(encoded(level="info", what="warn"), level=wanted)
    assert matches(b"Killed", level=(LogLevel.INFO,))
    assert not matches(b"Killed", level=wanted)


def test_a_text_is_found_in_any_case_in_any_value_and_in_no_key() -> None:
    data = encoded(reason="Die Verbindung IST weg", counts=[1, {"inner": 2.5}], done=True)
    for text in ("verbindung ist", "HELLO", "outbox", "2.5", "true", "2026-11-20", "info"):
        assert matches(data, q=text), text
    for text in ("reason", "inner", "nothing", "Hello.xopc"):
        assert not matches(data, q=text), text


@pytest.mark.parametrize("text", ['say "hi"', "C:\\x", "two\nlines", "ÄPFEL", "日本", "\u212aelvin"])
def test_a_text_is_found_however_the_line_spells_it(text: str) -> None:
    for ensure_ascii in (True, False):
        data = json.dumps({"message": f"<{text}>"}, ensure_ascii=ensure_ascii).encode()
        assert matches(data, q=text)
        assert matches(data, q=text.lower())


def test_a_masked_secret_is_not_found_by_its_text() -> None:
    data = encoded(message=f"The key is {SECRET}.")
    assert not matches(data, q=SECRET)
    assert not matches(data, q=SECRET[:-8])
    assert matches(data, q="the key is")


def test_a_module_has_those_below_it() -> None:
    data = encoded(module="xopc.channels.telegram")
    assert [matches(data, module=m) for m in ("xopc.channels.telegram", "xopc.channels", "xopc")] == [True] * 3
    assert [matches(data, module=m) for m in ("xopc.chan", "channels", "XOPC", "xopc.channels.telegram.api")] == [
        False
    ] * 4
    assert not matches(b"xopc says nothing", module="xopc")


@pytest.mark.parametrize(
    ("field", "query"),
    [
        ("session", "session_id"),
        ("sessionId", "session_id"),
        ("sessionKey", "session_id"),
        ("run", "request_id"),
        ("runId", "request_id"),
        ("requestId", "request_id"),
        ("extension", "extension"),
        ("extensionId", "extension"),
    ],
)
def test_an_id_is_looked_for_under_all_its_names(field: str, query: str) -> None:
    assert matches(encoded(**{field: "a:1"}), **{query: "a:1"})
    assert matches(encoded(**{field: 15}), **{query: "15"})
    assert not matches(encoded(**{field: "a:12"}), **{query: "a:1"})
    assert not matches(encoded(other="a:1"), **{query: "a:1"})


@pytest.mark.parametrize(
    ("query", "is_in"),
    [
        ({"since": "2026-11-20T10:00:00Z"}, True),
        ({"since": "2026-11-20T10:00:00.001Z"}, False),
        ({"until": "2026-11-20T10:00:00Z"}, True),
        ({"until": "2026-11-20T09:59:59.999Z"}, False),
        ({"since": "2026-11-20T12:00:00+02:00", "until": "2026-11-20T05:00:00-05:00"}, True),
        ({"since": "2026-11-20"}, True),
        ({"until": "2026-11-20"}, False),
    ],
)
def test_the_time_is_that_of_the_line_to_the_millisecond(query: dict[str, str], is_in: bool) -> None:
    assert matches(encoded(), **query) is is_in
    assert not matches(b"of no time", **query)


def test_everything_is_wanted_where_nothing_is_said() -> None:
    assert Wanted.of(LogFilter()).is_everything
    assert matches(b"anything")
    narrow = [
        LogFilter(q="x"),
        LogFilter(level=(LogLevel.INFO,)),
        LogFilter(module="m"),
        LogFilter(since="2026-11-20"),
        LogFilter(until="2026-11-20"),
        LogFilter(extension="e"),
    ]
    assert not any(Wanted.of(query).is_everything for query in narrow)
