"""What there is before a set-up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.gateway import running_gateway
from xopc.cli.onboard.present import Present
from xopc.contracts.errors import ConfigError


def write(home: Path, name: str, content: object) -> None:
    (home / ".xopc").mkdir(exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (home / ".xopc" / name).write_text(text)


def test_there_may_be_nothing(see: Callable[[], Present]) -> None:
    present = see()
    assert present.document is None
    assert present.models_document is None
    assert present.model is None
    assert present.running_pid is None


def test_a_key_in_the_environment_is_no_choice_of_a_model(
    see: Callable[[], Present], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-invented")
    assert see().model is None


@pytest.mark.parametrize(
    ("config", "models", "ref"),
    [
        ({"providers": {"groq": "gsk-invented"}}, {}, "groq/openai/gpt-oss-120b"),
        ({"agents": {"defaults": {"model": "openai/gpt-6-luna"}}}, {}, "openai/gpt-6-luna"),
        ({}, {"providers": {"ollama": {"baseUrl": "http://localhost:1/v1", "models": [{"id": "a"}]}}}, "ollama/a"),
    ],
)
def test_the_model_of_the_files_is_the_one_that_is_chosen(
    home: Path, see: Callable[[], Present], config: object, models: object, ref: str
) -> None:
    write(home, "xopc.json", config)
    write(home, "models.json", models)
    assert see().model == ref


def test_the_servers_are_those_of_the_file(home: Path, see: Callable[[], Present]) -> None:
    write(home, "models.json", {"providers": {"a": {"baseUrl": "http://localhost:1/v1/"}, "openai": {"apiKey": "K"}}})
    assert see().servers == {"a": "http://localhost:1/v1", "openai": ""}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("xopc.json", "{", "xopc.json"),
        ("xopc.json", {"gateway": {"port": "many"}}, r"\$\.gateway\.port"),
        ("xopc.json", {"gateway": {"auth": {"token": "short"}}}, r"\$\.gateway\.auth\.token"),
        ("xopc.json", {"providers": {"openai": "${LACKING}"}}, "the environment variable LACKING is not set"),
        ("models.json", "{", "models.json"),
        ("models.json", {"providers": {"A B": {}}}, "mend it, or move it away"),
    ],
)
def test_a_broken_file_is_told_and_nothing_is_added_to_it(
    home: Path, see: Callable[[], Present], name: str, content: object, message: str
) -> None:
    write(home, name, content)
    with pytest.raises(ConfigError, match=message):
        see()


def test_a_gateway_that_runs_is_seen(home: Path, see: Callable[[], Present]) -> None:
    with running_gateway(home) as gateway:
        assert see().running_pid == gateway.pid
