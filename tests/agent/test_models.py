from __future__ import annotations

import json
from pathlib import Path

import pytest

from xopc.agent.models import KNOWN, OFFLINE, Models, UnknownModelError, load_models
from xopc.agent.providers.openai_wire import Dialect
from xopc.contracts.convert import structure
from xopc.contracts.settings.file import ModelChoice, Settings

BOX = {"baseUrl": "http://localhost:11434/v1/", "models": [{"id": "org/small", "maxTokens": 50}, {"id": "large"}]}


def load(folder: Path, providers: object = None, settings: object = None, **environ: str) -> Models:
    path = folder / "models.json"
    if providers is not None:
        path.write_text(json.dumps({"providers": providers}))
    return load_models(path, structure(settings or {}, Settings), environ)


def why_not(models: Models, ref: str) -> str:
    with pytest.raises(UnknownModelError) as caught:
        models.find(ref)
    return str(caught.value)


def test_without_any_key_there_is_the_built_in_model_alone(tmp_path: Path) -> None:
    models = load(tmp_path)
    assert models.default == OFFLINE
    assert models.listed() == (OFFLINE,)
    assert models.find(OFFLINE).endpoint is None
    assert models.warnings == ()


async def test_a_known_provider_needs_nothing_but_its_key(tmp_path: Path) -> None:
    models = load(tmp_path, OPENROUTER_API_KEY="abc")
    assert models.default == "openrouter/openrouter/auto"
    model = models.find("openrouter/any/thing")
    assert model.id == "any/thing"
    assert model.endpoint is not None
    assert model.endpoint.base_url == "https://openrouter.ai/api/v1"
    assert model.endpoint.key is not None
    assert await model.endpoint.key.get() == "abc"


def test_the_first_provider_with_a_key_gives_the_default_and_models_json_comes_first(tmp_path: Path) -> None:
    assert load(tmp_path, GROQ_API_KEY="a", OPENAI_API_KEY="b").default == f"openai/{KNOWN['openai'].default}"
    assert load(tmp_path, {"box": BOX}, OPENAI_API_KEY="b").default == "box/org/small"


def test_a_key_in_the_configuration_configures_a_provider(tmp_path: Path) -> None:
    models = load(tmp_path, settings={"providers": {"mistral": "abc"}})
    assert models.default == "mistral/mistral-small-latest"


def test_a_provider_of_models_json_has_the_models_that_it_lists(tmp_path: Path) -> None:
    models = load(tmp_path, {"box": BOX})
    assert models.listed() == ("box/org/small", "box/large", OFFLINE)
    model = models.find("box/org/small")
    assert (model.ref, model.id, model.name, model.max_tokens) == ("box/org/small", "org/small", "org/small", 50)
    assert model.endpoint is not None
    assert model.endpoint.base_url == "http://localhost:11434/v1"
    assert model.endpoint.key is None
    assert "models.json does not list it" in why_not(models, "box/medium")


def test_a_provider_without_a_list_has_any_model(tmp_path: Path) -> None:
    models = load(tmp_path, {"box": {"baseUrl": "http://localhost/v1"}})
    assert models.find("box/anything").id == "anything"
    assert models.default == OFFLINE


def test_a_known_provider_can_stand_elsewhere_and_keeps_what_it_is(tmp_path: Path) -> None:
    models = load(tmp_path, {"openai": {"baseUrl": "http://localhost/v1"}})
    endpoint = models.find("openai/gpt-x").endpoint
    assert endpoint is not None
    assert endpoint.base_url == "http://localhost/v1"
    assert endpoint.dialect == Dialect("max_completion_tokens")


def test_headers_and_peculiarities_of_a_model_add_to_those_of_its_provider(tmp_path: Path) -> None:
    provider = {
        "baseUrl": "http://localhost/v1",
        "headers": {"A": "provider", "B": "provider", "C": "provider"},
        "compat": {"supportsUsageInStreaming": False},
        "models": [{"id": "m", "headers": {"B": "model"}, "compat": {"requiresToolResultName": True}}],
        "modelOverrides": {"m": {"name": "Em", "contextWindow": 9, "maxTokens": 7, "headers": {"C": "override"}}},
    }
    model = load(tmp_path, {"box": provider}).find("box/m")
    assert (model.name, model.context_window, model.max_tokens) == ("Em", 9, 7)
    assert model.endpoint is not None
    assert model.endpoint.headers == {"A": "provider", "B": "model", "C": "override"}
    assert model.endpoint.dialect == Dialect("max_tokens", usage_in_streaming=False, tool_result_name=True)


def test_a_key_that_shall_not_be_sent_is_not(tmp_path: Path) -> None:
    endpoint = load(tmp_path, {"box": {**BOX, "apiKey": "abc", "authHeader": False}}).find("box/large").endpoint
    assert endpoint is not None
    assert endpoint.key is None


def test_a_provider_whose_key_cannot_be_had_is_not_configured(tmp_path: Path) -> None:
    models = load(tmp_path, {"box": {**BOX, "apiKey": "!curl x"}})
    assert models.listed() == (OFFLINE,)
    assert len(models.warnings) == 1


def test_a_wire_that_is_not_spoken_is_told_with_what_is(tmp_path: Path) -> None:
    models = load(tmp_path, {"box": {**BOX, "api": "anthropic-messages"}})
    assert models.listed() == (OFFLINE,)
    assert models.warnings == (
        "models.json, providers.box: speaks anthropic-messages, which is not supported: "
        "what works is openai-completions",
    )


def test_models_on_another_wire_are_left_out(tmp_path: Path) -> None:
    mixed = [{"id": "a", "api": "google-vertex"}, {"id": "b"}]
    models = load(tmp_path, {"box": {"baseUrl": "http://localhost/v1", "models": mixed}})
    assert models.listed() == ("box/b", OFFLINE)
    assert "speaks google-vertex" in models.warnings[0]


@pytest.mark.parametrize(
    ("ref", "why"),
    [
        ("gpt", 'a model is named "provider/model"'),
        ("openai/gpt", "there is no key for openai: set OPENAI_API_KEY"),
        ("opnai/gpt", 'no provider "opnai" is configured; did you mean "openai"? There is: '),
        ("builtin/other", 'no provider "builtin" is configured'),
        ("box/", "models.json does not list it"),
    ],
)
def test_a_model_that_is_not_there_says_why_and_what_there_is(tmp_path: Path, ref: str, why: str) -> None:
    text = why_not(load(tmp_path, {"box": BOX}), ref)
    assert text.startswith(f'There is no model "{ref}": {why}')
    assert text.endswith("There is: box/org/small, box/large, builtin/offline.")


def test_the_strongest_wish_counts_with_its_fallbacks(tmp_path: Path) -> None:
    models = load(tmp_path)
    assert models.choose(None, "", ModelChoice("a/b", ("c/d", "a/b")), "e/f") == ("a/b", "c/d")
    assert models.choose("e/f", ModelChoice("a/b")) == ("e/f",)
    assert models.choose(None) == (OFFLINE,)


def test_what_the_configuration_asks_for_in_vain_is_told(tmp_path: Path) -> None:
    settings = {
        "providers": {"nowhere": "abc"},
        "agents": {
            "defaults": {"model": {"primary": "openai/a", "fallbacks": ["box/large"]}},
            "list": [{"id": "coder", "model": "box/huge"}, {"id": "off", "model": "x/y", "enabled": False}],
        },
    }
    warnings = load(tmp_path, {"box": BOX}, settings).warnings
    assert [warning.partition(":")[0] for warning in warnings] == [
        "providers.nowhere",
        "agents.defaults.model",
        "agents.list (coder).model",
    ]
    assert "give it a baseUrl in models.json" in warnings[0]


def test_a_provider_that_nobody_can_find_is_told(tmp_path: Path) -> None:
    models = load(tmp_path, {"box": {"apiKey": "abc"}})
    assert models.warnings == ("models.json, providers.box: has no baseUrl, so nobody knows where it is",)


def test_a_broken_models_json_leaves_the_known_providers(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text("{")
    models = load(tmp_path, GROQ_API_KEY="abc")
    assert models.default.startswith("groq/")
    assert "is not used" in models.warnings[0]


def test_why_a_file_is_not_used_is_known_without_its_path(tmp_path: Path) -> None:
    assert load(tmp_path, {"box": BOX}).error is None
    (tmp_path / "models.json").write_text('{"providers": {"box": {"baseUrl": "gopher://x"}}}')
    error = load(tmp_path).error
    assert error is not None
    assert error.startswith("models.json is not used: $.providers.box.baseUrl")
    assert str(tmp_path) not in error


async def test_a_key_of_models_json_may_stand_in_a_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("an-invented-key\n")
    key.chmod(0o600)
    models = load(tmp_path, {"box": {**BOX, "apiKey": "${file:key}"}})
    endpoint = models.find("box/large").endpoint
    assert endpoint is not None
    assert endpoint.key is not None
    assert await endpoint.key.get() == "an-invented-key"
    assert models.secrets.files == {key}
    assert models.warnings == ()


def test_a_known_provider_without_what_its_entry_refers_to_is_not_asked_elsewhere(tmp_path: Path) -> None:
    entry = {"baseUrl": "http://localhost:1/v1", "apiKey": "${file:no}"}
    models = load(tmp_path, {"openai": entry}, {"providers": {"openai": "abc"}}, OPENAI_API_KEY="abc")
    assert models.listed() == (OFFLINE,)
    (warning,) = models.warnings
    assert warning.startswith("models.json, providers.openai.apiKey: there is no file")


@pytest.mark.parametrize("content", ["AN_INVENTED_KEY", "!pass show invented"])
async def test_what_came_from_a_file_names_no_variable_and_no_command(tmp_path: Path, content: str) -> None:
    key = tmp_path / "key"
    key.write_text(content.replace(" ", "-"))
    key.chmod(0o600)
    models = load(tmp_path, {"box": {**BOX, "apiKey": "${file:key}"}}, AN_INVENTED_KEY="no")
    endpoint = models.find("box/large").endpoint
    assert endpoint is not None
    assert endpoint.key is not None
    assert await endpoint.key.get() == content.replace(" ", "-")
    assert models.warnings == ()
