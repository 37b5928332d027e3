"""Paths of keys, as commands take them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.gateway import configure
from xopc.cli.config.place import Keys, found, open_desk, read_keys
from xopc.contracts.errors import ConfigError, Failure, XopcError

VALUES = {"gateway": {"port": 18790}, "agents": {"list": [{"id": "main"}]}, "channels": {"a.b": 1}}


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("gateway", ("gateway",)),
        ("gateway.port", ("gateway", "port")),
        ("$.gateway.port", ("gateway", "port")),
        ("agents.list[0].id", ("agents", "list", 0, "id")),
        ("agents.list.0.id", ("agents", "list", "0", "id")),
        ('channels["a.b"].c', ("channels", "a.b", "c")),
        ('channels["say \\"it\\""]', ("channels", 'say "it"')),
        ("groups.-100123", ("groups", "-100123")),
    ],
)
def test_a_path_is_read_as_messages_spell_it(text: str, keys: Keys) -> None:
    assert read_keys(text) == keys


@pytest.mark.parametrize("text", ["", "$", ".", ".gateway", "a..b", "a.", "a[", "a[x]", 'a["b]', "a]"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        read_keys(text)


@pytest.mark.parametrize(
    ("path", "value"),
    [("gateway.port", 18790), ("agents.list[0].id", "main"), ("agents.list.0.id", "main"), ('channels["a.b"]', 1)],
)
def test_what_stands_there_is_found(path: str, value: object) -> None:
    assert found(VALUES, read_keys(path)) == value


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gateway.prt", '$.gateway.prt: there is nothing at this path; did you mean "port"?'),
        ("agents.list[1]", "$.agents.list[1]: there is nothing at this path"),
        ("gateway.port.x", "$.gateway.port.x: there is nothing at this path"),
        ("gateway[0]", "$.gateway[0]: there is nothing at this path"),
    ],
)
def test_what_is_not_there_is_told_with_its_path_and_what_is_near(path: str, message: str) -> None:
    with pytest.raises(XopcError) as caught:
        found(VALUES, read_keys(path))
    assert (caught.value.failure, caught.value.message) == (Failure.NOT_FOUND, message)


def test_the_configuration_is_shown_with_its_defaults_and_without_its_secrets(home: Path) -> None:
    configure(home, port=18999)
    desk = open_desk(None)
    assert desk.path == home / ".xopc" / "xopc.json"
    shown = desk.shown()["gateway"]
    assert (shown["port"], shown["auth"]["token"], shown["watchdogSeconds"]) == (18999, "***", 30)


def test_one_that_does_not_validate_is_refused_with_the_path(home: Path) -> None:
    (home / "mine.json").write_text(json.dumps({"gateway": {"port": "x"}}))
    with pytest.raises(ConfigError, match=r"\$\.gateway\.port: must be a whole number"):
        open_desk(home / "mine.json")
