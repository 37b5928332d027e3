from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from xopc.contracts.convert import JsonObject, unstructure
from xopc.contracts.settings import AuthSettings, BindMode, CommandSettings, GatewaySettings, Settings


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


def test_secrets_are_not_shown() -> None:
    settings = AuthSettings(token="a-token-of-the-tests", password="open sesame")
    assert "a-token" not in repr(settings)
    assert "sesame" not in repr(settings)


def test_every_key_is_in_the_reference() -> None:
    reference = (Path(__file__).parents[2] / "docs" / "reference" / "configuration.md").read_text()
    keys = list(keys_of(unstructure(Settings())))
    assert "gateway.auth.token" in keys
    assert [key for key in keys if f"| `{key}` |" not in reference] == []


def keys_of(section: JsonObject, above: str = "") -> Iterator[str]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from keys_of(cast("JsonObject", value), f"{above}{key}.")
        else:
            yield above + key
