from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xopc.agent.models_secrets import look_up, replace_references
from xopc.config.secrets.references import NO_SECRETS, Reference, Source
from xopc.contracts.settings.secrets import SecretCommand, SecretsSettings

KEY = "an-invented-key"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    return path


def providers(folder: Path, entries: dict[str, Any], **environ: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    replaced = replace_references({"providers": entries}, SecretsSettings(), folder, environ)
    assert replaced.left_out == entries.keys() - replaced.values["providers"].keys()
    return replaced.values["providers"], replaced.warnings


def test_keys_headers_and_addresses_may_refer_to_what_is_kept_elsewhere(tmp_path: Path, kept: Path) -> None:
    entry = {"baseUrl": "http://${BOX}:1/v1", "apiKey": "${file:key}", "headers": {"X-Key": "v1 ${file:key}"}}
    found, warnings = providers(tmp_path, {"box": entry}, BOX="box.example.com")
    assert found == {
        "box": {"baseUrl": "http://box.example.com:1/v1", "apiKey": KEY, "headers": {"X-Key": f"v1 {KEY}"}}
    }
    assert warnings == ()


def test_a_provider_that_lacks_something_is_left_out_and_the_others_stay(tmp_path: Path, kept: Path) -> None:
    entries = {
        "one": {"baseUrl": "http://localhost:1/v1", "apiKey": "${file:no}"},
        "two": {"baseUrl": "http://${NO_SUCH_BOX}/v1"},
        "three": {"baseUrl": "http://localhost:3/v1", "apiKey": "${file:key}"},
    }
    found, warnings = providers(tmp_path, entries)
    assert found.keys() == {"three"}
    assert [warning.partition(": ")[0] for warning in warnings] == [
        "models.json, providers.one.apiKey",
        "models.json, providers.two.baseUrl",
    ]
    assert all(warning.endswith("; the provider is not used") for warning in warnings)


def test_nothing_secret_gets_onto_a_command_line(tmp_path: Path, kept: Path) -> None:
    entry = {"apiKey": "!pass show ${file:key}", "headers": {"X-Key": "${file:key}"}}
    found, _ = providers(tmp_path, {"box": entry})
    assert found == {"box": {"apiKey": "!pass show ${file:key}", "headers": {"X-Key": KEY}}}


@pytest.mark.parametrize("values", [{}, {"providers": 5}, {"providers": {"box": 5}}])
def test_what_is_no_provider_is_left_to_those_who_read_it_all(tmp_path: Path, values: dict[str, Any]) -> None:
    assert replace_references(values, SecretsSettings(), tmp_path, {}).values == values


def test_what_the_file_refers_to_now_can_be_looked_up_without_using_it(tmp_path: Path, kept: Path) -> None:
    path = tmp_path / "models.json"
    path.write_text(json.dumps({"providers": {"box": {"apiKey": "${file:key}${command:c}"}}}))
    printer = tmp_path / "printer"
    printer.write_text(f"#!/bin/sh\necho x >> {tmp_path}/asked; wc -l < {tmp_path}/asked\n")
    printer.chmod(0o755)
    settings = SecretsSettings({"c": SecretCommand((str(printer),))})
    first = look_up(path, settings, {})
    assert first is not None
    assert first.found == {Reference(Source.FILE, "key"): KEY, Reference(Source.COMMAND, "c"): "1"}
    assert look_up(path, settings, {}, first) == first
    assert look_up(path, settings, {}) != first


def test_without_a_file_there_are_none_and_a_broken_one_tells_nothing(tmp_path: Path) -> None:
    assert look_up(tmp_path / "no.json", SecretsSettings(), {}) == NO_SECRETS
    (tmp_path / "models.json").write_text("{")
    assert look_up(tmp_path / "models.json", SecretsSettings(), {}) is None
    assert look_up(tmp_path, SecretsSettings(), {}) is None
