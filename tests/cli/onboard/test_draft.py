"""What answers make of the files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xopc.cli.onboard.draft import Answers, BotAnswer, ModelAnswer, draft
from xopc.cli.onboard.present import Present
from xopc.cli.onboard.wishes import Secret
from xopc.contracts.errors import ConfigError
from xopc.contracts.settings.file import BindMode


@pytest.fixture
def given(home: Path, see: Callable[[], Present]) -> Callable[..., Present]:
    def given(config: Any = None, models: Any = None) -> Present:  # noqa: ANN401 - JSON
        (home / ".xopc").mkdir(exist_ok=True)
        for name, content in (("xopc.json", config), ("models.json", models)):
            if content is not None:
                (home / ".xopc" / name).write_text(json.dumps(content))
        return see()

    return given


def test_no_answer_changes_nothing(given: Callable[..., Present]) -> None:
    config = {"gateway": {"port": 19000}, "odd": 1}
    made = draft(given(config), Answers(port=19000, bind=BindMode.LOOPBACK))
    assert made.config == config
    assert made.models == {}
    assert made.changes == ()


def test_a_known_provider_needs_its_key_alone(given: Callable[..., Present]) -> None:
    answer = ModelAnswer("openai", "gpt-6-luna", Secret("sk-invented", "OPENAI_API_KEY"))
    made = draft(given(), Answers(answer))
    assert made.config == {
        "agents": {"defaults": {"model": "openai/gpt-6-luna"}},
        "providers": {"openai": "${OPENAI_API_KEY}"},
    }
    assert made.models == {}
    assert made.changes == ("openai/gpt-6-luna answers.", "The key of openai is what OPENAI_API_KEY holds.")


def test_a_server_stands_in_models_json_and_its_key_does_not(given: Callable[..., Present]) -> None:
    answer = ModelAnswer("work", "large", Secret("an-invented-key"), "https://llm.example.com/v1")
    made = draft(given(), Answers(answer))
    assert made.models == {
        "providers": {"work": {"baseUrl": "https://llm.example.com/v1", "models": [{"id": "large"}]}}
    }
    assert made.config["providers"] == {"work": "an-invented-key"}
    assert "an-invented-key" not in " ".join(made.changes) + repr(made)


def test_what_stands_in_the_files_stays(given: Callable[..., Present]) -> None:
    config = {
        "agents": {"defaults": {"model": {"primary": "groq/a", "fallbacks": ["openai/b"]}}},
        "providers": {"groq": "gsk-invented"},
    }
    models = {"providers": {"ollama": {"baseUrl": "http://localhost:1/v1", "models": [{"id": "a", "maxTokens": 9}]}}}
    present = given(config, models)
    made = draft(present, Answers(ModelAnswer("ollama", "b", None, "http://localhost:2/v1")))
    assert made.config["agents"]["defaults"]["model"] == {"primary": "ollama/b", "fallbacks": ["openai/b"]}
    assert made.config["providers"] == {"groq": "gsk-invented"}
    assert made.models["providers"]["ollama"] == {
        "baseUrl": "http://localhost:2/v1",
        "models": [{"id": "a", "maxTokens": 9}, {"id": "b"}],
    }
    again = draft(present, Answers(ModelAnswer("ollama", "a", None, "http://localhost:1/v1")))
    assert again.models == models
    assert present.document is not None
    assert present.document.values == config


def test_the_gateway_gets_what_differs_from_what_is_there(given: Callable[..., Present]) -> None:
    answers = Answers(port=19000, bind=BindMode.LAN, token=Secret("t", "T"), workspace="/srv/work")
    made = draft(given(), answers)
    assert made.config == {
        "gateway": {"port": 19000, "bind": "lan", "auth": {"token": "${T}"}},
        "agents": {"defaults": {"workspace": "/srv/work"}},
    }
    assert len(made.changes) == 4


def test_a_generated_token_is_written_and_not_told(given: Callable[..., Present]) -> None:
    made = draft(given(), Answers(), "0123456789abcdef")
    assert made.config == {"gateway": {"auth": {"token": "0123456789abcdef"}}}
    assert made.changes == ("A new token opens it: `xopc gateway token` prints it.",)


def test_a_bot_hears_its_owner_alone(given: Callable[..., Present]) -> None:
    made = draft(given(), Answers(bot=BotAnswer("a_bot", Secret("1:abc"), ("4711",), "http://localhost:1")))
    assert made.config["channels"]["telegram"] == {
        "botToken": "1:abc",
        "apiRoot": "http://localhost:1",
        "dmPolicy": "allowlist",
        "allowFrom": ["4711"],
    }


def test_a_bot_that_everybody_may_write_to_stays_so(given: Callable[..., Present]) -> None:
    telegram = {"enabled": False, "botToken": "1:abc", "dmPolicy": "open", "allowFrom": ["1"]}
    made = draft(given({"channels": {"telegram": telegram}}), Answers(bot=BotAnswer("a_bot", None, ("2",))))
    assert made.config["channels"]["telegram"] == {**telegram, "enabled": True, "allowFrom": ["1", "2"]}


def test_the_account_that_has_the_token_gets_the_new_one(given: Callable[..., Present]) -> None:
    telegram = {"accounts": {"default": {"botToken": "1:abc"}, "work": {"botToken": "2:abc"}}}
    made = draft(given({"channels": {"telegram": telegram}}), Answers(bot=BotAnswer("a_bot", Secret("3:abc"))))
    assert made.config["channels"]["telegram"]["accounts"] == {
        "default": {"botToken": "3:abc"},
        "work": {"botToken": "2:abc"},
    }


def test_a_section_that_is_none_is_told(given: Callable[..., Present]) -> None:
    present = given({}, {"providers": {"ollama": {"baseUrl": "http://localhost:1/v1"}}})
    assert present.models_document is not None
    present.models_document.values["providers"]["ollama"]["models"] = "all"
    with pytest.raises(ConfigError, match=r"\$\.providers\.ollama\.models: must be a list"):
        draft(present, Answers(ModelAnswer("ollama", "b", None, "http://localhost:1/v1")))
    present.models_document.values["providers"] = []
    with pytest.raises(ConfigError, match=r"\$\.providers: must be an object"):
        draft(present, Answers(ModelAnswer("ollama", "b", None, "http://localhost:1/v1")))
