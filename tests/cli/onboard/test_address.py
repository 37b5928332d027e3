"""Addresses of servers, and their names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.outside import Outside
from xopc.cli.onboard.address import check_provider_id, provider_id, provider_of, read_url, with_version
from xopc.cli.onboard.present import Present


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("localhost:8080", "http://localhost:8080"),
        (" https://llm.example.com/v1/ ", "https://llm.example.com/v1"),
        ("http://127.0.0.1:1234/v1/chat/completions", "http://127.0.0.1:1234/v1"),
        ("http://[::1]:1234/v1/models", "http://[::1]:1234/v1"),
    ],
)
def test_a_url_is_read_as_it_is_meant(typed: str, meant: str) -> None:
    assert read_url(typed) == meant


@pytest.mark.parametrize("typed", ["", "ftp://a", "http://", "two words", "http://u:p@host/v1", "http://a:99999/v1"])
def test_what_is_none_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        read_url(typed)


def test_the_version_is_added_where_it_is_missing(servers: Outside) -> None:
    bare = f"http://127.0.0.1:{servers.model_port}"
    assert with_version(bare) == f"{bare}/v1"
    assert with_version(f"{bare}/other") == f"{bare}/other"


def test_a_variable_tells_whose_key_it_holds() -> None:
    assert provider_of("GROQ_API_KEY") == "groq"
    assert provider_of("MY_KEY") is None
    assert provider_of(None) is None


def test_a_server_is_called_by_its_host(see: Callable[[], Present]) -> None:
    present = see()
    assert provider_id(present, "https://llm.example.com/v1", None) == "llm-example-com"
    assert provider_id(present, "http://localhost:8080/v1", None) == "local"
    assert provider_id(present, "http://localhost:8080/v1", "work") == "work"
    assert provider_id(present, "https://api.groq.com/openai/v1", None) == "groq"


def test_or_as_it_is_called_already(home: Path, see: Callable[[], Present]) -> None:
    (home / ".xopc").mkdir()
    servers = {"mine": {"baseUrl": "http://127.0.0.1:8080/v1/"}, "local": {"baseUrl": "http://127.0.0.1:1/v1"}}
    (home / ".xopc" / "models.json").write_text(json.dumps({"providers": servers}))
    present = see()
    assert provider_id(present, "http://localhost:8080/v1", "work") == "mine"
    assert provider_id(present, "http://localhost:8081/v1", None) == "local-8081"


def test_a_name_that_models_json_would_not_take_is_refused() -> None:
    assert check_provider_id("my-box") == "my-box"
    for name in ("", "My", "-a", "a-", "a b", "builtin"):
        with pytest.raises(ValueError, match="A provider's name"):
            check_provider_id(name)
