from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from xopc.contracts.convert import JsonObject, unstructure
from xopc.contracts.settings.access import AuthSettings
from xopc.contracts.settings.file import (
    AgentDefaults,
    AgentEntry,
    AgentsSettings,
    BindMode,
    CommandSettings,
    GatewaySettings,
    ModelChoice,
    Settings,
)


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = Settings()
    assert settings.gateway == GatewaySettings(
        bind=None, custom_bind_host=None, host=None, port=18790, auth=AuthSettings(mode=None, token=None, password=None)
    )
    assert settings.commands == CommandSettings(restart=True)


def test_the_modes_to_bind_are_those_of_the_contract() -> None:
    assert {mode.value for mode in BindMode} == {"loopback", "lan", "auto", "tailnet", "custom"}


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_out_of_range_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match="must be 1 to 65535"):
        GatewaySettings(port=port)


@pytest.mark.parametrize("port", [1, 65535])
def test_a_port_in_range_is_accepted(port: int) -> None:
    assert GatewaySettings(port=port).port == port


@pytest.mark.parametrize("seconds", [0, 3, 4.5, 3600])
def test_a_watchdog_has_a_sane_time_or_none(seconds: float) -> None:
    assert GatewaySettings(watchdog_seconds=seconds).watchdog_seconds == seconds


@pytest.mark.parametrize("seconds", [-1, 0.5, 2.99, 3601, float("inf"), float("nan")])
def test_a_watchdog_that_would_kill_a_busy_gateway_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="must be 3 to 3600, or 0 for no watchdog"):
        GatewaySettings(watchdog_seconds=seconds)


def test_secrets_are_not_shown() -> None:
    settings = AuthSettings(token="a-token-of-the-tests", password="open sesame")
    assert "a-token" not in repr(settings)
    assert "sesame" not in repr(settings)


def test_keys_of_providers_are_not_shown() -> None:
    assert "hush" not in repr(Settings(providers={"openai": "hush"}))


def test_the_defaults_of_agents_are_those_of_the_contract() -> None:
    assert AgentDefaults() == AgentDefaults(
        model=None, max_tokens=8192, temperature=0.7, max_tool_iterations=20, max_task_duration_ms=300_000
    )


@pytest.mark.parametrize("model", ["gpt", "openai/", "/gpt", "open ai/gpt"])
def test_a_model_is_a_provider_and_a_name(model: str) -> None:
    for refuse in (AgentDefaults, ModelChoice):
        with pytest.raises(ValueError, match='must be "provider/model"'):
            refuse(model)
    with pytest.raises(ValueError, match='must be "provider/model"'):
        ModelChoice("openai/gpt", (model,))
    with pytest.raises(ValueError, match='must be "provider/model"'):
        AgentEntry("main", model=model)


@pytest.mark.parametrize("model", ["openai/gpt", "openrouter/org/name:free", "", None])
def test_a_name_of_a_model_may_hold_a_slash(model: str | None) -> None:
    assert AgentDefaults(model=model).model == model


@pytest.mark.parametrize(("milliseconds", "is_fine"), [(59_999, False), (60_000, True), (3_600_001, False)])
def test_a_turn_may_take_a_minute_to_an_hour(milliseconds: int, is_fine: bool) -> None:
    if is_fine:
        assert AgentDefaults(max_task_duration_ms=milliseconds).max_task_duration_ms == milliseconds
    else:
        with pytest.raises(ValueError, match="must be 60000 to 3600000"):
            AgentDefaults(max_task_duration_ms=milliseconds)


@pytest.mark.parametrize("agent_id", ["", "Coder", "a:b", "x" * 65])
def test_an_agent_s_id_is_a_segment_of_a_session_key(agent_id: str) -> None:
    with pytest.raises(ValueError, match="must be 1 to 64 of a-z, 0-9, _ and -"):
        AgentEntry(agent_id)


def test_no_two_agents_share_an_id() -> None:
    with pytest.raises(ValueError, match="names the agent a twice"):
        AgentsSettings(list=(AgentEntry("a"), AgentEntry("b"), AgentEntry("a")))


@pytest.mark.timeout(5)  # minutes, if each were looked for among all
def test_very_many_agents_are_compared_in_no_time() -> None:
    assert len(AgentsSettings(list=tuple(AgentEntry(f"a{number}") for number in range(50_000))).list) == 50_000


@pytest.mark.parametrize(
    ("agents", "default"),
    [
        (AgentsSettings(), "main"),
        (AgentsSettings(default="coder"), "coder"),
        (AgentsSettings(list=(AgentEntry("a"), AgentEntry("b"))), "a"),
        (AgentsSettings(list=(AgentEntry("a"), AgentEntry("b", default=True))), "b"),
        (AgentsSettings(default="a", list=(AgentEntry("a"), AgentEntry("b", default=True))), "a"),
        (AgentsSettings(default="a", list=(AgentEntry("a", enabled=False), AgentEntry("b"))), "b"),
        (AgentsSettings(default="x", list=(AgentEntry("a"),)), "a"),
        (AgentsSettings(list=(AgentEntry("a", enabled=False),)), "main"),
    ],
)
def test_there_is_always_a_default_agent(agents: AgentsSettings, default: str) -> None:
    assert agents.default_id == default
    assert default in agents.enabled_ids()


def test_an_agent_that_is_not_listed_has_the_defaults() -> None:
    agents = AgentsSettings(list=(AgentEntry("a", name="Ada"),))
    assert agents.entry("a").name == "Ada"
    assert agents.entry("b") == AgentEntry("b")


def test_every_key_is_in_the_reference() -> None:
    reference = (Path(__file__).parents[3] / "docs" / "reference" / "configuration.md").read_text()
    keys = list(keys_of(unstructure(Settings())))
    assert "gateway.auth.token" in keys
    assert [key for key in keys if f"| `{key}` |" not in reference] == []


def keys_of(section: JsonObject, above: str = "") -> Iterator[str]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from keys_of(cast("JsonObject", value), f"{above}{key}.")
        else:
            yield above + key
