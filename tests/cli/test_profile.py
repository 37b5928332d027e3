"""Whose gateway a command is about: options before it and behind it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.test_main import run
from tests.fakes.gateway import configure
from tests.ports import free_port
from xopc.cli.profile import take_profile, use_profile


@pytest.mark.parametrize(
    ("typed", "kept", "profile"),
    [
        ("gateway status", "gateway status", None),
        ("--dev gateway --port 0", "gateway --port 0", "dev"),
        ("gateway status --dev", "gateway status", "dev"),
        ("--profile rescue gateway status", "gateway status", "rescue"),
        ("gateway --profile=rescue status --json", "gateway status --json", "rescue"),
        ("--profile default gateway", "gateway", "default"),
        ("--dev gateway --dev --profile dev", "gateway", "dev"),
        ("agent -- --dev --profile", "agent -- --dev --profile", None),
        ("--profiles x", "--profiles x", None),
    ],
)
def test_the_profile_is_taken_from_wherever_it_stands(typed: str, kept: str, profile: str | None) -> None:
    assert take_profile(typed.split()) == (kept.split(), profile)


def test_the_option_outranks_the_environment_and_none_leaves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XOPC_PROFILE", "work")
    assert use_profile(["gateway"]) == ["gateway"]
    assert os.environ["XOPC_PROFILE"] == "work"
    assert use_profile(["gateway", "--profile", "default"]) == ["gateway"]
    assert os.environ["XOPC_PROFILE"] == "default"


@pytest.mark.parametrize(
    ("typed", "what"),
    [
        ("--dev gateway --profile rescue", "--dev is the profile dev, and --profile names rescue: give one of them"),
        ("--profile a --profile b", "--profile names a, and --profile names b: give one of them"),
        ("gateway --profile", "--profile takes the name of a profile"),
        ("--profile= gateway", "--profile takes the name of a profile"),
        ("--profile ../up gateway", "--profile: '../up' is not the name of a profile: use up to 64 letters"),
    ],
)
def test_what_makes_no_sense_is_a_mistake_in_usage(typed: str, what: str) -> None:
    done = run(*typed.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"xopc: {what}")
    assert done.stderr.endswith("See: xopc --help\n")


def test_hints_are_for_the_same_profile(home: Path) -> None:
    configure(home, port=free_port())  # at the default one somebody may listen
    done = run("--profile", "rescue", "gateway", "status")
    assert done.returncode == 1
    assert "   Profile: rescue (~/.xopc-rescue)\n" in done.stdout
    assert "💡 Start with: xopc --profile rescue gateway\n" in done.stdout
    assert "Start it with: xopc --profile rescue gateway" in run("sessions", "list", XOPC_PROFILE="rescue").stderr
    assert "💡 Start with: xopc gateway\n" in run("gateway", "status").stdout


def test_help_tells_of_them() -> None:
    assert "--profile NAME" in run("--help").stdout
    assert "--profile NAME" in run("gateway", "status", "--help").stdout
