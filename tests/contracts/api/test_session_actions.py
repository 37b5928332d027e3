from __future__ import annotations

import pytest

from xopc.contracts.api.session_actions import MAX_CUSTOM_BYTES, AgentConfigPatch, SessionPatch
from xopc.contracts.convert import structure
from xopc.contracts.errors import InvalidValueError


def test_data_of_clients_has_a_limit() -> None:
    most = {"a": "x" * (MAX_CUSTOM_BYTES - len('{"a": ""}'))}
    assert structure({"customData": most}, SessionPatch).custom_data is not None
    with pytest.raises(InvalidValueError, match=r"\$\.customData: must be at most 64 KiB of JSON"):
        structure({"customData": {**most, "b": 1}}, SessionPatch)


@pytest.mark.parametrize("model", ["default", "openai/gpt-6-luna", "ollama/qwen3:8b", "openrouter/a/b"])
def test_a_model_is_named_with_its_provider_or_left_to_the_agent(model: str) -> None:
    assert structure({"model": model}, AgentConfigPatch).model == model


@pytest.mark.parametrize("model", ["", "gpt", "a/", "/b", "a b/c", "defaults", "a/" + "b" * 256])
def test_what_is_no_model_is_refused(model: str) -> None:
    with pytest.raises(InvalidValueError, match=r"\$\.model"):
        structure({"model": model}, AgentConfigPatch)
