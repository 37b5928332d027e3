from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from xopc.contracts.keys import MAX_SEGMENT_CHARS, SessionKey, segment

SEGMENT = st.text().map(lambda raw: segment(raw, "unknown"))
KEY = st.builds(
    SessionKey, SEGMENT, SEGMENT, SEGMENT, SEGMENT, SEGMENT, thread=st.none() | SEGMENT, scope=st.none() | SEGMENT
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("telegram", "telegram"),
        ("  Telegram ", "telegram"),
        ("chat_1718000000000", "chat_1718000000000"),
        ("-100123", "-100123"),
        ("a-b_c", "a-b_c"),
        ("", "unknown"),
        ("   ", "unknown"),
        ("x" * MAX_SEGMENT_CHARS, "x" * MAX_SEGMENT_CHARS),
    ],
)
def test_a_clean_segment_stays_as_it_is_but_for_its_case(raw: str, expected: str) -> None:
    assert segment(raw, "unknown") == expected


@pytest.mark.parametrize(
    ("raw", "pattern"),
    [
        ("a@b.c", r"a-b-c-[0-9a-f]{8}"),
        ("a b", r"a-b-[0-9a-f]{8}"),
        ("a-", r"a-[0-9a-f]{8}"),
        ("@robin", r"robin-[0-9a-f]{8}"),
        ("-100.5", r"-100-5-[0-9a-f]{8}"),
        ("--1", r"-1-[0-9a-f]{8}"),
        ("y" * (MAX_SEGMENT_CHARS + 1), rf"y{{{MAX_SEGMENT_CHARS - 9}}}-[0-9a-f]{{8}}"),
        ("你好", r"[0-9a-f]{8}"),
        ("-", r"[0-9a-f]{8}"),
        ("\ud800", r"[0-9a-f]{8}"),
    ],
)
def test_what_loses_something_is_told_apart_by_a_hash(raw: str, pattern: str) -> None:
    assert re.fullmatch(pattern, segment(raw, "unknown"))


@pytest.mark.parametrize(("one", "other"), [("a@b", "a.b"), ("a-", "a"), ("--1", "-1"), ("你好", "再见"), ("-", "_")])
def test_two_peers_do_not_share_a_segment(one: str, other: str) -> None:
    assert segment(one, "unknown") != segment(other, "unknown")


@given(st.text())
def test_a_segment_is_clean_short_and_stays_as_it_is(raw: str) -> None:
    made = segment(raw, "unknown")
    assert re.fullmatch(rf"[a-z0-9_-]{{1,{MAX_SEGMENT_CHARS}}}", made)
    assert segment(made, "unknown") == made


@given(KEY)
def test_a_key_is_read_back_from_its_text(key: SessionKey) -> None:
    assert SessionKey.parse(str(key)) == key
    assert SessionKey.parse(f"agent:{key}") == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("main:telegram:personal:dm:123456", SessionKey("main", "telegram", "personal", "dm", "123456")),
        (
            "main:telegram:default:group:-100123:thread:42",
            SessionKey("main", "telegram", "default", "group", "-100123", thread="42"),
        ),
        ("a:b:c:d:e:scope:s", SessionKey("a", "b", "c", "d", "e", scope="s")),
        ("a:b:c:d:e:thread:t:scope:s", SessionKey("a", "b", "c", "d", "e", "t", "s")),
        ("Main:WebChat:default:direct:Chat_1", SessionKey("main", "webchat", "default", "direct", "chat_1")),
    ],
)
def test_a_key_is_parsed_whatever_its_case(text: str, key: SessionKey) -> None:
    assert SessionKey.parse(text) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "default",
        "a:b:c:d",
        "a:b:c:d:",
        "a:b:c:d:e:f",
        "a:b:c:d:e:topic:1",
        "a:b:c:d:e:thread:1:thread:2",
        "a:b:c:d:e:scope:1:thread:2",
        "a:b:c:d:e:thread:",
        "a:b:c:d:../../etc",
        "a:b:c:d:e f",
        f"a:b:c:d:{'x' * (MAX_SEGMENT_CHARS + 1)}",
    ],
)
def test_what_is_no_key_is_none(text: str) -> None:
    assert SessionKey.parse(text) is None
