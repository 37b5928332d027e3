"""Secrets do not come out of the redaction, and what is not one does."""

from __future__ import annotations

import time

import pytest

from xopc.core.redact import Plain, is_secret_name, mask, redact, redact_value

TOKEN = "0123456789abcdef0123456789"
BOT_TOKEN = f"123456789:{'AbC-_' * 7}"

CASES = {
    f"Authorization: Bearer {TOKEN}": "Authorization: Bearer 012345…6789",
    "proxy-authorization: Basic dXNlcjpwYXNz": "proxy-authorization: Basic ***",
    f"{{'authorization': 'Bearer {TOKEN}'}}": "{'authorization': 'Bearer…6789'}",
    f"[(b'x-api-key', b'{TOKEN}'), (b'host', b'a')]": "[(b'x-api-key', b'012345…6789'), (b'host', b'a')]",
    f"x-api-key: {TOKEN}\r\nHost: a": "x-api-key: 012345…6789\r\nHost: a",
    f"refused: bearer {TOKEN}": "refused: bearer 012345…6789",
    "GET /api/events?token=short&last=1": "GET /api/events?token=***&last=1",
    f"GET /api/events?access_token={TOKEN} 401": "GET /api/events?access_token=012345…6789 401",
    "POST /v1beta/models?key=AIzaSyExampleExampleExample": "POST /v1beta/models?key=AIzaSy…mple",
    f"AuthSettings(token='{TOKEN}', password=None)": "AuthSettings(token='012345…6789', password=***)",
    "XOPC_GATEWAY_PASSWORD=correct-horse-battery": "XOPC_GATEWAY_PASSWORD=correc…tery",
    "password='two words', port=1": "password='***', port=1",
    'token="cut off': 'token="***',
    '{"token":"a\\"b", "port":1}': '{"token":"***", "port":1}',
    f"{{'bot_token': '{TOKEN}'}}": "{'bot_token': '012345…6789'}",
    f"https://api.example.com/bot{BOT_TOKEN}/getMe": "https://api.example.com/bot123456…bC-_/getMe",
    "key sk-proj-abcdefghijklmnop refused": "key sk-pro…mnop refused",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789": "ghp_ab…6789",
    "github_pat_abcdefghijklmnopqrstuvwxyz": "github…wxyz",
    "xoxb-1234567890-abcdefghij": "xoxb-1…ghij",
    "xoxp-1234567890-abcdefghij": "xoxp-1…ghij",
    f"wrong: xopc_{'0123456789ab' * 4}": "wrong: xopc_0…89ab",
    "sk-abcdefghijklm": "***",
    "ghp_abcdefgh": "***",
    "postgres://bob:hunter2@db.example.com/x": "postgres://bob:***@db.example.com/x",
    "a -----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY----- b": (
        "a -----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY----- b"
    ),
    "-----BEGIN PRIVATE KEY-----\\nMIIEow": "-----BEGIN PRIVATE KEY-----***-----END PRIVATE KEY-----",
}

INNOCENT = [
    "xopc_supervisor.contract",
    "12345678:AbCdEf, which is too short for a bot's token",
    "$.gateway.auth.token: use at least 16 characters",
    "max_tokens 512, tokens=17",
    "risk-assessment-of-the-day-and-night",
    "task sk- is short",
    "http://[::1]:18790/a@b",
    "http://127.0.0.1:18790",
    "12:30:59 a message",
    "token = environ.get('XOPC_GATEWAY_TOKEN')",
    "the bearer of this",
]


@pytest.mark.parametrize(("text", "redacted"), CASES.items(), ids=range(len(CASES)))
def test_a_secret_is_masked_and_the_rest_stays(text: str, redacted: str) -> None:
    assert redact(text) == redacted


@pytest.mark.parametrize("text", CASES)
def test_redacting_twice_changes_nothing(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@pytest.mark.parametrize("text", INNOCENT)
def test_text_without_a_secret_is_left_alone(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("secret", "shown"),
    [("", ""), ("x", "***"), ("a" * 17, "***"), ("abcdefghijklmnopqr", "abcdef…opqr"), ("***", "***")],
)
def test_a_long_secret_shows_its_ends_and_a_short_one_nothing(secret: str, shown: str) -> None:
    assert mask(secret) == shown
    assert mask(mask(secret)) == shown


@pytest.mark.parametrize("name", ["token", "botToken", "X-Api-Key", "client_secret", "PASSWORD", "Authorization"])
def test_a_name_that_ends_like_a_secret_is_one(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["tokens", "tokenSource", "path", "key", "sessionKey", ""])
def test_other_names_are_not(name: str) -> None:
    assert not is_secret_name(name)


def test_fields_are_masked_by_their_name_and_by_their_shape_at_any_depth() -> None:
    fields: Plain = {
        "url": f"/x?token={TOKEN}",
        "auth": {"mode": "token", "token": "hunter2", "uses": 3, "expires": None},
        "secret": {"a": TOKEN, "b": [TOKEN, 5]},
        "headers": [["authorization", f"Bearer {TOKEN}"], ["accept", "*/*"]],
    }
    assert redact_value(fields) == {
        "url": "/x?token=012345…6789",
        "auth": {"mode": "token", "token": "***", "uses": 3, "expires": None},
        "secret": {"a": "012345…6789", "b": ["012345…6789", 5]},
        "headers": [["authorization", "Bearer…6789"], ["accept", "*/*"]],
    }


@pytest.mark.parametrize("part", ["1", "://", 'token="', 'token="\\', "authorization ", "-----BEGIN A-----", "bearer "])
def test_a_long_text_made_to_confuse_takes_time_in_proportion(part: str) -> None:
    started = time.process_time()
    redact(part * (400_000 // len(part)))
    assert time.process_time() - started < 5  # about 0.2 s; a quadratic pattern takes minutes
