from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from xopc.contracts.keys import (
    MAX_KEY_CHARS,
    MAX_SEGMENT_CHARS,
    AnyKey,
    SessionKey,
    SessionType,
    SpecialKey,
    cron_key,
    heartbeat_key,
    parse_key,
    segment,
)

SEGMENT = st.text().map(lambda raw: segment(raw, "unknown"))
KEY = st.builds(
    SessionKey, SEGMENT, SEGMENT, SEGMENT, SEGMENT, SEGMENT, thread=st.none() | SEGMENT, scope=st.none() | SEGMENT
)


def subagent(peer: str, agent: str | None) -> SpecialKey:
    return SpecialKey(SessionType.SUBAGENT, peer, agent)


def child_of(parent: SessionKey, child: str) -> SpecialKey:
    return subagent(f"{parent}:{child}", parent.agent)


SPECIAL = (
    SEGMENT.map(cron_key)
    | st.none().map(heartbeat_key)
    | st.integers(0, 2**60).map(heartbeat_key)
    | st.builds(SpecialKey, st.just(SessionType.ACP), SEGMENT, SEGMENT)
    | st.builds(child_of, KEY, SEGMENT)
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


@given(SPECIAL | KEY)
def test_a_key_is_read_back_from_its_text(key: AnyKey) -> None:
    assert parse_key(str(key)) == key
    assert parse_key(f"agent:{key}") == key


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
    assert parse_key(text) == SessionKey.parse(text) == key


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
    assert parse_key(text) is None


@pytest.mark.parametrize(
    ("key", "text", "kind", "agent", "peer"),
    [
        (cron_key("1a2b3c4d"), "cron:1a2b3c4d", SessionType.CRON, None, "1a2b3c4d"),
        (heartbeat_key(), "heartbeat:main", SessionType.HEARTBEAT, None, "main"),
        (heartbeat_key(1718), "heartbeat:isolated:1718", SessionType.HEARTBEAT, None, "isolated:1718"),
        (SpecialKey(SessionType.ACP, "0c1d", "coder"), "coder:acp:0c1d", SessionType.ACP, "coder", "0c1d"),
        (
            subagent("coder:webchat:default:direct:x:task", "coder"),
            "subagent:coder:webchat:default:direct:x:task",
            SessionType.SUBAGENT,
            "coder",
            "coder:webchat:default:direct:x:task",
        ),
        (
            subagent("subagent:cron:j:a:b", None),
            "subagent:subagent:cron:j:a:b",
            SessionType.SUBAGENT,
            None,
            "subagent:cron:j:a:b",
        ),
    ],
)
def test_what_is_no_chat_has_a_key_of_its_own_form(
    key: AnyKey, text: str, kind: SessionType, agent: str | None, peer: str
) -> None:
    assert str(key) == text
    assert parse_key(text.upper()) == key
    assert (key.type, key.source, key.agent, key.peer) == (kind, kind.value, agent, peer)


@pytest.mark.parametrize(
    "text",
    [
        "cron:",
        "cron:a:b",
        "cron:../x",
        "heartbeat:other",
        "heartbeat:isolated",
        "heartbeat:isolated:soon",
        "subagent:x",
        "subagent:main:webchat:x",
        "subagent:main:webchat:default:direct:x:",
        "acp:x",
        "main:acp:",
        "main:acp:a b",
        "subagent:" * MAX_KEY_CHARS + "cron:x:y",
    ],
)
def test_what_is_almost_a_special_key_is_none(text: str) -> None:
    assert parse_key(text) is None


def test_an_agent_may_be_called_agent() -> None:
    key = SessionKey("agent", "telegram", "default", "dm", "1")
    assert parse_key(str(key)) == key
    assert parse_key(f"agent:{key}") == key


def test_where_a_chat_and_a_special_form_are_spelled_alike_the_special_one_counts() -> None:
    key = parse_key("subagent:main:acp:0c1d:x")
    assert key is not None
    assert key.type is SessionType.SUBAGENT
