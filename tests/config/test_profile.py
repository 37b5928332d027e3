"""Profiles: their names, and the ports that nobody has to choose."""

from __future__ import annotations

from itertools import pairwise

import pytest

from xopc.config.profile import DEFAULT_PORT, SPACING, default_port, profile_of, wrong_name
from xopc.contracts.errors import ConfigError
from xopc.contracts.settings.file import GatewaySettings

EPHEMERAL = 32768
"""Where Linux begins to give ports to outgoing connections."""


@pytest.mark.parametrize(
    ("variable", "profile"),
    [(None, "default"), ("", "default"), (" Default ", "default"), ("rescue", "rescue"), ("a.b-C_1", "a.b-C_1")],
)
def test_the_environment_names_the_profile(variable: str | None, profile: str) -> None:
    assert profile_of({} if variable is None else {"XOPC_PROFILE": variable}) == profile


@pytest.mark.parametrize("name", ["../up", "-x", "a b", "a/b", "x" * 65, ""])
def test_what_could_lead_elsewhere_is_no_name(name: str) -> None:
    assert "begin with a letter or a digit" in (wrong_name(name) or "")
    if name:
        with pytest.raises(ConfigError, match="XOPC_PROFILE: is not the name of a profile: use up to 64 letters"):
            profile_of({"XOPC_PROFILE": name})


def test_the_two_that_have_a_name_have_the_ports_that_are_documented() -> None:
    assert default_port("default") == DEFAULT_PORT == GatewaySettings().port == 18790
    assert default_port("dev") == default_port("Dev") == 19001


def test_a_name_has_the_same_port_for_ever() -> None:
    assert [default_port(name) for name in ("rescue", "Rescue", "work", "a")] == [21401, 21401, 26561, 20901]


def test_all_ports_keep_20_apart_and_out_of_the_way_of_outgoing_connections() -> None:
    ports = sorted({18790, 19001, *(default_port(f"profile-{number}") for number in range(10_000))})
    assert min(after - before for before, after in pairwise(ports)) >= SPACING
    assert ports[-1] + SPACING <= EPHEMERAL
