"""Models are asked, and servers are found."""

from __future__ import annotations

import pytest

from tests.e2e.outside import Outside
from xopc.agent.keys import PlainKey
from xopc.agent.providers.base import ErrorKind
from xopc.agent.providers.openai_wire import Endpoint
from xopc.cli.onboard import trial
from xopc.cli.onboard.trial import QUESTION, Refused, find_servers, models_at, ollama_url, try_model


def endpoint(port: int, key: str = "sk-invented-0123456789") -> Endpoint:
    return Endpoint("fake", f"http://127.0.0.1:{port}/v1", PlainKey("its key", key))


def test_a_model_that_answers_tells_how_long_it_took(servers: Outside) -> None:
    took = try_model(endpoint(servers.model_port), "echo")
    assert isinstance(took, float)
    assert 0 < took < 20
    assert servers.asked()[-1] == [{"role": "user", "content": QUESTION}]


@pytest.mark.parametrize(
    ("key", "model", "kind", "words"),
    [
        ("wrong-key-of-somebody", "echo", ErrorKind.AUTH, "does not take this key (HTTP 401"),
        ("sk-right", "missing-model", ErrorKind.BAD_REQUEST, "does not serve the model missing-model (HTTP 404"),
    ],
)
def test_a_refusal_says_what_is_wrong(servers: Outside, key: str, model: str, kind: ErrorKind, words: str) -> None:
    refused = try_model(endpoint(servers.model_port, key), model)
    assert isinstance(refused, Refused)
    assert refused.kind is kind
    assert words in refused.what
    assert refused.cure.endswith(".")
    assert key not in refused.what


def test_where_nobody_listens_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xopc.agent.providers.openai.FIRST_PAUSE_SECONDS", 0.01)
    refused = try_model(endpoint(9), "echo")
    assert isinstance(refused, Refused)
    assert refused.kind is ErrorKind.TRANSIENT
    assert refused.what.startswith("Nobody answers at http://127.0.0.1:9/v1 (")


def test_a_model_that_says_nothing_is_not_waited_for_without_end(
    servers: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "QUESTION", "slow: 30")
    monkeypatch.setattr(trial, "TRIAL_SECONDS", 0.5)
    refused = try_model(endpoint(servers.model_port), "echo")
    assert isinstance(refused, Refused)
    assert "said nothing within 0.5 s" in refused.what


def test_a_server_lists_the_models_that_can_talk(servers: Outside) -> None:
    assert models_at(f"http://127.0.0.1:{servers.model_port}/v1", "sk-invented") == ("echo",)
    assert models_at("http://127.0.0.1:9/v1") is None
    assert models_at(f"http://127.0.0.1:{servers.telegram_port}/v1") is None


def test_the_servers_of_this_machine_are_found(servers: Outside) -> None:
    here = f"127.0.0.1:{servers.model_port}"
    found = find_servers({"OLLAMA_HOST": here}, lm_studio=here)
    assert [(server.id, server.models) for server in found] == [("ollama", ("echo",)), ("lmstudio", ("echo",))]
    assert find_servers({"OLLAMA_HOST": "127.0.0.1:9"}, lm_studio="127.0.0.1:9") == ()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("[::]:5000", "http://[::1]:5000/v1"),
        ("box:5000", "http://box:5000/v1"),
        ("https://ollama.example.com/", "https://ollama.example.com:443/v1"),
        ("http://box", "http://box:80/v1"),
        ("box:many", "http://127.0.0.1:11434/v1"),
    ],
)
def test_ollamas_own_variable_says_where_it_is(host: str, url: str) -> None:
    assert ollama_url(host) == url
