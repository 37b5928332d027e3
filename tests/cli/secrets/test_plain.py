from __future__ import annotations

import pytest

from xopc.cli.secrets.plain import in_configuration, in_models
from xopc.config.secrets.references import path_of


def test_what_stands_in_plain_text_is_found_with_its_place() -> None:
    values = {
        "gateway": {"auth": {"token": "t", "tokens": [{"name": "desk", "sha256": "ab"}]}, "tls": {"keyPassword": "k"}},
        "providers": {"openai": "o", "source": "s"},
        "channels": {"telegram": {"botToken": "b", "name": "n", "accounts": {"work": {"botToken": "w"}}}},
        "ext": {"city": "Oslo", "clientSecret": "c", "list": [{"apiKey": "a"}]},
    }
    assert [(path_of(keys), secret) for keys, secret in in_configuration(values)] == [
        ("$.gateway.auth.token", "t"),
        ("$.gateway.tls.keyPassword", "k"),
        ("$.providers.openai", "o"),
        ("$.providers.source", "s"),
        ("$.channels.telegram.botToken", "b"),
        ("$.channels.telegram.accounts.work.botToken", "w"),
        ("$.ext.clientSecret", "c"),
        ("$.ext.list[0].apiKey", "a"),
    ]


@pytest.mark.parametrize(
    "value",
    ["${A}", "${A:-b}", "${file:a}", "${command:a}", "${credential:a}", "", " ", None, 5, {"source": "env", "id": "A"}],
)
def test_a_reference_is_no_secret(value: object) -> None:
    assert list(in_configuration({"providers": {"openai": value}, "gateway": {"auth": {"token": value}}})) == []


def test_in_models_json_a_name_and_a_command_are_no_secrets() -> None:
    entries = {
        "a": {"baseUrl": "http://localhost/v1", "apiKey": "sk-invented", "headers": {"X-Api-Key": "h", "X-Team": "t"}},
        "b": {"apiKey": "WORK_KEY"},
        "c": {"apiKey": "!pass show x"},
        "d": {"apiKey": "${file:d}"},
        "e": {"models": [{"id": "m", "headers": {"Authorization": "Bearer m"}}]},
    }
    assert [path_of(keys) for keys, _ in in_models({"providers": entries})] == [
        "$.providers.a.apiKey",
        '$.providers.a.headers["X-Api-Key"]',
        "$.providers.e.models[0].headers.Authorization",
    ]
    assert list(in_models({"providers": 5})) == list(in_models({})) == []
