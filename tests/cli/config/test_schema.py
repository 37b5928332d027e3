from __future__ import annotations

import json
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator

from xopc.cli.config.schema import document, schema
from xopc.config.view import effective

WRONG: list[dict[str, Any]] = [
    {"gateway": {"port": "18790"}},
    {"gateway": {"bind": "everywhere"}},
    {"gatway": {}},
    {"channels": {"telegram": {"accounts": {"work": {"botTokn": "x"}}}}},
    {"providers": {"openai": 1}},
]
RIGHT: list[dict[str, Any]] = [
    {},
    {"gateway": {"port": 18790, "auth": {"mode": "token", "token": "${TOKEN}"}}},
    {"agents": {"defaults": {"model": {"primary": "a/b", "fallbacks": ["c/d"]}}, "list": [{"id": "main"}]}},
    {"channels": {"telegram": {"accounts": {"work": {"botToken": "x"}}, "groups": {"*": {"requireMention": True}}}}},
    {"session": {"identityLinks": {"ann": ["telegram:1"]}}, "bindings": []},
]


def fits(values: dict[str, Any]) -> bool:
    return cast("Any", Draft202012Validator(document())).is_valid(values)


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(document())


@pytest.mark.parametrize("values", RIGHT)
def test_what_may_stand_in_the_file_fits(values: dict[str, Any]) -> None:
    assert fits(values)


@pytest.mark.parametrize("values", WRONG)
def test_what_is_wrong_in_the_file_does_not(values: dict[str, Any]) -> None:
    assert not fits(values)


def test_it_knows_each_key_that_is_shown() -> None:
    classes = document()["$defs"]
    shown = effective({})
    for section in ("gateway", "commands", "agents", "channels", "session", "outbox", "cron"):
        reference = classes["Settings"]["properties"][section]["$ref"].rpartition("/")[2]
        assert set(shown[section]) <= set(classes[reference]["properties"]), section


def test_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema() == 0
    assert json.loads(capsys.readouterr().out)["title"] == "xopc.json"
