"""The step that ends with a model that has answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.outside import Outside
from tests.fakes.scripted_terminal import Answer, ScriptedTerminal
from xopc.cli.onboard.draft import ModelAnswer
from xopc.cli.onboard.guide import Attended, Unattended
from xopc.cli.onboard.model import choose_model
from xopc.cli.onboard.present import Present
from xopc.cli.onboard.wishes import Secret, SecretMode, Wishes
from xopc.contracts.errors import XopcError

NOTHING = Wishes()


@pytest.fixture
def url(servers: Outside) -> str:
    return f"http://127.0.0.1:{servers.model_port}/v1"


@pytest.fixture
def openai(home: Path, url: str) -> None:
    """OpenAI's address is the server of the tests."""
    (home / ".xopc").mkdir()
    (home / ".xopc" / "models.json").write_text(json.dumps({"providers": {"openai": {"baseUrl": url}}}))


def asked(
    see: Callable[[], Present], *answers: Answer, wishes: Wishes = NOTHING, key: Secret | None = None
) -> tuple[ModelAnswer | None, ScriptedTerminal]:
    terminal = ScriptedTerminal(*answers)
    answer = choose_model(Attended(terminal), see(), wishes, key)
    terminal.finish()
    return answer, terminal


def unasked(see: Callable[[], Present], wishes: Wishes, key: Secret | None = None) -> ModelAnswer | None:
    return choose_model(Unattended(), see(), wishes, key)


def test_ollama_is_found_and_proposed(
    see: Callable[[], Present], servers: Outside, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", f"0.0.0.0:{servers.model_port}")
    answer, terminal = asked(see, "")
    assert answer == ModelAnswer("ollama", "echo", None, url)
    assert "  1) Ollama on this machine (echo)" in terminal.lines
    assert terminal.lines[-1].startswith("✅ echo answered within ")


@pytest.mark.usefixtures("openai")
def test_a_key_of_the_environment_is_named_and_not_shown(
    see: Callable[[], Present], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-invented-0123456789")
    answer, terminal = asked(see, ">openai, with the key that OPENAI_API_KEY holds", "")
    assert answer == ModelAnswer("openai", "gpt-6-luna", Secret("sk-invented-0123456789", "OPENAI_API_KEY"))
    assert "sk-invented" not in terminal.text


@pytest.mark.usefixtures("openai")
def test_a_pasted_key_is_not_shown_and_a_wrong_one_is_asked_for_again(see: Callable[[], Present]) -> None:
    answer, terminal = asked(see, ">whose key I paste", "", "wrong key", "wrong-0123456789", "", "", "sk-right")
    assert answer == ModelAnswer("openai", "gpt-6-luna", Secret("sk-right"))
    assert [question for question in terminal.hidden if "openai" in question] == ["The key of openai (hidden): "] * 3
    assert any("does not take this key (HTTP 401" in line for line in terminal.lines)
    assert "   That is no key: a key has no blanks, and plain characters alone." in terminal.lines


@pytest.mark.usefixtures("openai")
def test_another_model_can_be_named_when_there_is_none_of_that_name(see: Callable[[], Present]) -> None:
    answer, terminal = asked(see, ">whose key I paste", "", "sk-right", "missing-one", "")
    assert answer == ModelAnswer("openai", "echo", Secret("sk-right"))
    assert any("does not serve the model missing-one" in line for line in terminal.lines)


def test_a_server_is_reached_by_its_url(see: Callable[[], Present], url: str) -> None:
    answer, _ = asked(see, ">by its URL", url.removesuffix("/v1"), "")
    assert answer == ModelAnswer("local", "echo", None, url)


def test_where_nobody_listens_another_way_can_be_chosen(see: Callable[[], Present], url: str) -> None:
    answer, terminal = asked(
        see, ">by its URL", "http://127.0.0.1:9/v1", "", "any-model", ">another way", ">by its URL", url, "sk-invented"
    )
    assert answer == ModelAnswer("local", "echo", Secret("sk-invented"), url)
    assert any("Nobody answers at http://127.0.0.1:9/v1" in line for line in terminal.lines)


def test_one_can_go_without(see: Callable[[], Present]) -> None:
    assert asked(see, ">None for now")[0] is None


def test_what_is_set_up_is_kept_once_it_has_answered(see: Callable[[], Present], home: Path, url: str) -> None:
    (home / ".xopc").mkdir()
    mine = {"baseUrl": url, "models": [{"id": "echo"}, {"id": "missing-one"}]}
    (home / ".xopc" / "models.json").write_text(json.dumps({"providers": {"mine": mine}}))
    answer, terminal = asked(see, "")
    assert answer is None
    assert "  1) Keep mine/echo" in terminal.lines
    (home / ".xopc" / "xopc.json").write_text(json.dumps({"agents": {"defaults": {"model": "mine/missing-one"}}}))
    answer, _ = asked(see, ">Keep mine/missing-one", ">by its URL", url, "")
    assert answer == ModelAnswer("mine", "echo", None, url)


def test_what_is_set_up_and_does_not_answer_can_be_kept_all_the_same(see: Callable[[], Present], home: Path) -> None:
    (home / ".xopc").mkdir()
    local = {"baseUrl": "http://127.0.0.1:1/v1", "models": [{"id": "echo"}]}
    (home / ".xopc" / "models.json").write_text(json.dumps({"providers": {"local": local}}))
    (home / ".xopc" / "xopc.json").write_text(json.dumps({"agents": {"defaults": {"model": "local/echo"}}}))
    answer, terminal = asked(see, ">Keep local/echo", ">Try local/echo again", ">Keep it all the same")
    assert answer is None
    assert sum("Asking echo for a word" in line for line in terminal.lines) == 2


def test_nothing_is_looked_for_where_the_model_is_to_stay(see: Callable[[], Present]) -> None:
    assert asked(see, wishes=Wishes(skip_model=True))[0] is None


# ------------------------------------------------------------------ by options


def test_options_answer_instead(see: Callable[[], Present], url: str) -> None:
    wishes = Wishes(model_url=url, model_provider="mine", model_key_from_env="MY_KEY")
    key = Secret("sk-invented", "MY_KEY")
    assert unasked(see, wishes, key) == ModelAnswer("mine", "echo", key, url)
    assert asked(see, wishes=wishes, key=key)[0] == ModelAnswer("mine", "echo", key, url)


def test_a_model_may_be_named_with_its_provider_or_without(see: Callable[[], Present], url: str) -> None:
    for name in ("local/echo", "echo"):
        assert unasked(see, Wishes(model_url=url, model=name)) == ModelAnswer("local", "echo", None, url)


@pytest.mark.usefixtures("openai")
def test_the_variable_tells_the_provider(see: Callable[[], Present], monkeypatch: pytest.MonkeyPatch) -> None:
    key = Secret("sk-invented", "OPENAI_API_KEY")
    assert unasked(see, Wishes(model_key_from_env="OPENAI_API_KEY"), key) == ModelAnswer("openai", "gpt-6-luna", key)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-invented")
    assert unasked(see, Wishes(model="openai/other")) == ModelAnswer("openai", "other", key)
    plain = Wishes(model="openai/other", secret_input_mode=SecretMode.PLAINTEXT)
    assert unasked(see, plain) == ModelAnswer("openai", "other", Secret("sk-invented"))


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        (Wishes(model="large"), "Whose key or model is that"),
        (Wishes(model="nobody/large"), 'No provider is called "nobody". There is: openai'),
        (Wishes(model="groq/large"), "There is no key for groq: set GROQ_API_KEY"),
        (Wishes(model_url="ftp://x"), "--model-url: That is no URL"),
        (Wishes(model_url="http://127.0.0.1:9/v1", model_provider="My Box"), "--model-provider: A provider's name"),
        (Wishes(model_url="http://127.0.0.1:9/v1"), "does not say which models it has: name one with --model"),
    ],
)
def test_an_option_that_cannot_be_meant_is_told(see: Callable[[], Present], wishes: Wishes, message: str) -> None:
    with pytest.raises(XopcError) as caught:
        unasked(see, wishes)
    assert message in caught.value.message


def test_an_option_that_does_not_work_is_asked_about_where_somebody_is(see: Callable[[], Present], url: str) -> None:
    wishes, key = Wishes(model_url=url), Secret("wrong-0123456789")
    with pytest.raises(XopcError, match="does not take this key"):
        unasked(see, wishes, key)
    answer, _ = asked(see, ">another key", "sk-right", wishes=wishes, key=key)
    assert answer == ModelAnswer("local", "echo", Secret("sk-right"), url)


def test_a_variable_that_outranks_the_key_is_told(
    see: Callable[[], Present], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE_API_KEY", "another")
    guide = Unattended()
    choose_model(guide, see(), Wishes(model_url=url, model_provider="mine"), Secret("sk-right"))
    assert guide.warnings == ["MINE_API_KEY holds another key, and outranks this one where it is set: unset it."]


def test_without_any_model_nobody_is_asked_and_that_is_told(
    see: Callable[[], Present], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: object) -> tuple[()]:
        return ()

    monkeypatch.setattr("xopc.cli.onboard.model.find_servers", none)
    guide = Unattended()
    assert choose_model(guide, see(), NOTHING, None) is None
    assert "the built-in one answers" in guide.warnings[0]
