from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xopc.agent.models_file import MAX_BYTES, Compat, Cost, ModelEntry, ModelOverride, ModelsFile, read_models_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "models.json"


def read(file: Path, providers: object) -> tuple[ModelsFile, tuple[str, ...]]:
    file.write_text(json.dumps({"providers": providers}))
    return read_models_file(file)


def test_a_missing_file_is_empty(file: Path) -> None:
    assert read_models_file(file) == (ModelsFile(), ())


def test_every_field_is_read(file: Path) -> None:
    model = {
        "id": "org/name",
        "name": "Name",
        "api": "openai-completions",
        "reasoning": True,
        "input": ["text", "image"],
        "contextWindow": 1000,
        "maxTokens": 100,
        "cost": {"input": 1, "output": 2, "cacheRead": 0.1, "cacheWrite": 0.2},
        "headers": {"X-A": "b"},
        "compat": {
            "supportsUsageInStreaming": False,
            "maxTokensField": "max_completion_tokens",
            "requiresToolResultName": True,
        },
    }
    provider = {
        "baseUrl": "http://localhost:11434/v1",
        "apiKey": "none",
        "api": "openai-completions",
        "headers": {"X-C": "d"},
        "authHeader": False,
        "models": [model],
        "modelOverrides": {"other": {"name": "Other", "contextWindow": 5}},
    }
    content, warnings = read(file, {"my-box": provider})
    assert warnings == ()
    entry = content.providers["my-box"]
    assert (entry.base_url, entry.api_key, entry.auth_header) == ("http://localhost:11434/v1", "none", False)
    compat = Compat(False, "max_completion_tokens", True)
    cost = Cost(1, 2, 0.1, 0.2)
    assert entry.models == (
        ModelEntry(
            "org/name", "Name", "openai-completions", True, ("text", "image"), 1000, 100, cost, {"X-A": "b"}, compat
        ),
    )
    assert entry.model_overrides == {"other": ModelOverride(name="Other", context_window=5)}


def test_the_defaults_of_a_model_are_those_of_the_reference(file: Path) -> None:
    content, _ = read(file, {"box": {"baseUrl": "http://localhost/v1", "models": [{"id": "m"}]}})
    model = content.providers["box"].models[0]
    assert (model.context_window, model.max_tokens, model.input, model.cost) == (128_000, 16_384, ("text",), Cost())


WRONG: list[tuple[Any, str]] = [
    ({"My Box": {"baseUrl": "http://a/v1"}}, '$.providers: "My Box" is no id: use a-z, 0-9, and _ and - inside'),
    ({"builtin": {"baseUrl": "http://a/v1"}}, '$.providers: "builtin" is the name of what needs no provider'),
    ({"box": {}}, '$.providers: "box" says nothing: give it a baseUrl'),
    ({"box": {"baseUrl": "localhost"}}, '$.providers.box.baseUrl: must be a URL, such as "http://localhost'),
    ({"box": {"baseUrl": "http://a", "api": "telepathy"}}, '$.providers.box.api: must be "openai-completions"'),
    ({"box": {"models": [{}]}}, "$.providers.box.models[0].id: is missing"),
    ({"box": {"models": [{"id": "a"}, {"id": "a"}]}}, '$.providers: "box" has the model "a" twice: keep one'),
    ({"box": {"models": [{"id": "a", "maxTokens": 0}]}}, "$.providers.box.models[0].maxTokens: must be above 0"),
    (
        {"box": {"models": [{"id": "a", "cost": {"input": -1}}]}},
        "$.providers.box.models[0].cost.input: must not be below 0",
    ),
    ({"box": {"baseUrl": "http://a", "headers": {"X": "a\nb"}}}, "$.providers.box.headers: holds a header that"),
    ([], "$.providers: must be an object, not a list"),
]


@pytest.mark.parametrize(("providers", "problem"), WRONG)
def test_a_wrong_file_is_not_used_and_says_where_it_is_wrong(file: Path, providers: object, problem: str) -> None:
    content, warnings = read(file, providers)
    assert content == ModelsFile()
    assert warnings[0].startswith(f"{file} is not used: {problem}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b'{"providers":', "it is not JSON: line 1, column 14"),
        (b"\xff", "it is not UTF-8"),
        (b" " * (MAX_BYTES + 1), "it is larger than 1048576 bytes"),
    ],
)
def test_what_is_no_json_is_not_used(file: Path, text: bytes, problem: str) -> None:
    file.write_bytes(text)
    content, warnings = read_models_file(file)
    assert content == ModelsFile()
    assert warnings[0].startswith(f"{file} is not used: {problem}")


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_not_used_and_not_waited_for(file: Path, make: Callable[[Path], None]) -> None:
    make(file)
    assert read_models_file(file)[1] == (f"{file} is not used: it is no regular file: move it away",)


def test_comments_are_fine_and_unknown_keys_are_told(file: Path) -> None:
    file.write_text('{providers: {box: {baseURL: "x", baseUrl: "http://a/v1"}}} // mine')
    content, warnings = read_models_file(file)
    assert list(content.providers) == ["box"]
    assert warnings == (f'{file}: $.providers.box.baseURL: unknown key; did you mean "baseUrl"?',)


def test_no_secret_is_shown(file: Path) -> None:
    content, _ = read(file, {"box": {"baseUrl": "http://a/v1", "apiKey": "hush", "headers": {"X-Key": "hush"}}})
    assert "hush" not in repr(content)
