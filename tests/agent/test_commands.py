from __future__ import annotations

import pytest

from tests.fakes.openai_server import OpenAIServer
from tests.fakes.turns import Talk, Talks, provider
from xopc.agent.commands import HELP, Command, parse_command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/help", Command("help")),
        ("/H", Command("help")),
        ("/start", Command("help")),
        (" /new ", Command("new")),
        ("/reset@my_bot", Command("new")),
        ("/model", Command("model")),
        ("/model@my_bot  openai/gpt ", Command("model", "openai/gpt")),
        ("/switch openai/gpt", Command("model", "openai/gpt")),
        ("/models", Command("model")),
        ("/status", Command("status")),
    ],
)
def test_a_command_is_known_in_each_of_its_spellings(text: str, command: Command) -> None:
    assert parse_command(text) == command


@pytest.mark.parametrize("text", ["hello", "/", "/dance", "//help", "help", "/help/me", "/etc/passwd is a file", ""])
def test_anything_else_is_no_command(text: str) -> None:
    assert parse_command(text) is None


@pytest.fixture
def talk(start_talk: Talks, server: OpenAIServer) -> Talk:
    return start_talk(models={"fake": provider(server, "small", "large")})


async def reply(talk: Talk, text: str) -> str:
    return (await talk.say(text)).outbox[0].text


async def test_help_names_the_commands(talk: Talk) -> None:
    assert await reply(talk, "/help") == HELP


async def test_help_says_that_no_model_is_connected(start_talk: Talks) -> None:
    assert (await reply(start_talk(), "/help")).endswith("docs/how-to/connect-a-model.md tells how.")


async def test_status_tells_agent_model_and_session(talk: Talk) -> None:
    text = await reply(talk, "/status")
    assert "Agent: main\nModel: fake/small\nSession: main:telegram:default:dm:1\nMessages: 1 " in text


async def test_model_tells_which_answers_and_which_there_are(talk: Talk) -> None:
    text = await reply(talk, "/model")
    assert text.startswith("fake/small answers here. There is:\n- fake/small\n- fake/large\n- builtin/offline\n")


async def test_a_model_that_is_not_there_is_refused_with_those_that_are(talk: Talk) -> None:
    text = await reply(talk, "/model fake/lrge")
    assert 'There is no model "fake/lrge": models.json does not list it; did you mean "fake/large"?' in text
    assert text.endswith("There is: fake/small, fake/large, builtin/offline. Nothing was changed.")
    assert (await talk.say("hello")).model == "fake/small"


async def test_a_chosen_model_answers_until_it_is_undone(talk: Talk) -> None:
    assert await reply(talk, "/model fake/large") == ("From now on fake/large answers here. /model default undoes it.")
    assert (await talk.say("hello")).model == "fake/large"
    assert await reply(talk, "/model default") == "From now on the agent's own model answers here."
    assert (await talk.say("hello")).model == "fake/small"
