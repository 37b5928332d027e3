"""What the tests of the set-up share: a Bot API and a model provider on loopback, and nothing else around."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.outside import Outside, outside
from xopc.cli.gateway.target import find_target
from xopc.cli.onboard.present import Present, look

NOBODY = "127.0.0.1:9"
"""Where nobody listens."""


@pytest.fixture(scope="module")
def servers() -> Iterator[Outside]:
    """Both of them, for the tests of a file."""
    with outside() as both:
        yield both


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key in the environment, and no Ollama: what whoever runs the tests has does not count."""
    for variable in ("OPENAI", "OPENROUTER", "DEEPSEEK", "GROQ", "MISTRAL", "XAI", "CEREBRAS"):
        monkeypatch.delenv(f"{variable}_API_KEY", raising=False)
    monkeypatch.delenv("TELEGRAM_BOT_TOKEN", raising=False)
    monkeypatch.setenv("OLLAMA_HOST", NOBODY)


@pytest.fixture
def see() -> Callable[[], Present]:
    """What there is at the moment of the call."""
    return lambda: look(find_target(None))
