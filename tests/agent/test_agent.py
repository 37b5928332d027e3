from __future__ import annotations

from pathlib import Path

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.fakes.openai_server import Call, Cut, Fail, OpenAIServer, Say, Stall
from tests.fakes.turns import KEY, SESSION, Talk, Talks, provider
from xopc.agent.agent import open_agent
from xopc.agent.models import OFFLINE
from xopc.agent.providers.base import Provider
from xopc.agent.providers.offline import OfflineProvider
from xopc.agent.providers.openai_wire import Endpoint
from xopc.agent.providers.pool import ProviderPool
from xopc.config.paths import resolve_paths
from xopc.contracts.events import Progress, RunError, Token
from xopc.contracts.messages import Address, Outbound, PeerKind
from xopc.contracts.settings.file import Settings
from xopc.contracts.transcript import Message, Role, RunState, ToolCall
from xopc.storage.base import StorageError
from xopc.storage.path.base import PathStorage
from xopc.storage.path.sessions import SessionChange


@pytest.fixture
def talk(start_talk: Talks, server: OpenAIServer) -> Talk:
    return start_talk(models={"fake": provider(server, "small", "large")})


async def test_a_message_is_answered_in_the_words_of_the_model_and_delivered(talk: Talk) -> None:
    end = await talk.say("hello")
    assert end.state is RunState.DONE
    assert end.message is not None
    assert end.message.content == "You said: hello"
    assert end.model == "fake/small"
    assert end.outbox == (Outbound(Address("telegram", "default", "1"), "You said: hello"),)
    assert "".join(event.content for event in talk.events if isinstance(event, Token)) == "You said: hello"
    assert talk.events[-1] == Progress("idle", "Done")


async def test_a_group_is_answered_with_a_reply_and_the_model_is_told_who_speaks(
    talk: Talk, server: OpenAIServer
) -> None:
    talk.kind = PeerKind.GROUP
    end = await talk.say("hello")
    assert end.outbox[0].reply_to == "77"
    assert server.requests[0].last == {"role": "user", "content": "Robin: hello"}


async def test_what_nobody_asked_to_deliver_is_not_delivered(talk: Talk) -> None:
    assert (await talk.say("hello", deliver=False)).outbox == ()


@pytest.mark.parametrize("text", ["NO_REPLY", " HEARTBEAT_OK\n", "", "  "])
async def test_a_silent_reply_is_remembered_and_not_delivered(talk: Talk, server: OpenAIServer, text: str) -> None:
    server.script(Say(text))
    end = await talk.say("hello")
    assert end.state is RunState.DONE
    assert end.message is not None
    assert end.message.content == text
    assert end.outbox == ()


async def test_the_model_is_told_what_was_said_before_but_no_commands(talk: Talk, server: OpenAIServer) -> None:
    await talk.say("my name is Robin")
    await talk.say("/status")
    await talk.say("what is my name?")
    said = [(message["role"], message["content"]) for message in server.requests[-1].body["messages"]]
    assert said[0][0] == "system"
    assert said[1:] == [
        ("user", "my name is Robin"),
        ("assistant", "You said: my name is Robin"),
        ("user", "what is my name?"),
    ]


async def test_a_new_conversation_knows_nothing_of_the_old_one(talk: Talk, server: OpenAIServer) -> None:
    await talk.say("my name is Robin")
    end = await talk.say("/new")
    assert end.state is RunState.DONE
    assert end.outbox[0].text.startswith("A new conversation.")
    await talk.say("hello")
    assert len(server.requests[-1].body["messages"]) == 2


async def test_commands_are_answered_without_asking_any_model(talk: Talk, server: OpenAIServer) -> None:
    end = await talk.say("/status@my_bot")
    assert "Model: fake/small" in end.outbox[0].text
    assert server.requests == []


async def test_an_unknown_command_goes_to_the_model(talk: Talk) -> None:
    assert (await talk.say("/dance now")).outbox[0].text == "You said: /dance now"


async def test_the_model_of_a_turn_outranks_that_of_the_session_and_of_the_agent(
    start_talk: Talks, server: OpenAIServer
) -> None:
    settings = {"agents": {"defaults": {"model": "fake/a"}, "list": [{"id": "main", "model": "fake/b"}]}}
    models = {"fake": provider(server, "a", "b", "c", "d")}
    talk = start_talk(settings=settings, models=models)
    assert (await talk.say("hello")).model == "fake/b"
    await talk.say("/model fake/c")
    assert (await talk.say("hello")).model == "fake/c"
    assert (await talk.say("hello", model="fake/d")).model == "fake/d"
    await talk.say("/model default")
    assert (await talk.say("hello")).model == "fake/b"


async def test_an_agent_has_its_own_prompt_and_not_the_tools_that_it_is_denied(
    start_talk: Talks, server: OpenAIServer
) -> None:
    entry = {"id": "coder", "systemPromptOverride": "You write code.", "tools": {"disable": ["session_status"]}}
    settings = {"agents": {"list": [entry]}}
    talk = start_talk("coder:telegram:default:dm:1", settings=settings, models={"fake": provider(server)})
    await talk.say("hello")
    body = server.requests[0].body
    assert body["messages"][0] == {"role": "system", "content": "You write code."}
    assert [tool["function"]["name"] for tool in body["tools"]] == ["current_time"]


async def test_settings_of_the_request_are_those_of_the_configuration(start_talk: Talks, server: OpenAIServer) -> None:
    settings = {"agents": {"defaults": {"maxTokens": 100, "temperature": 0.1}}}
    await start_talk(settings=settings, models={"fake": provider(server)}).say("hello")
    assert server.requests[0].body["max_tokens"] == 100
    assert server.requests[0].body["temperature"] == 0.1


@pytest.mark.parametrize(
    ("level", "effort"), [("high", "high"), ("minimal", "minimal"), ("off", "none"), ("adaptive", None), ("", None)]
)
async def test_a_model_thinks_as_long_as_the_session_says(
    talk: Talk, server: OpenAIServer, level: str, effort: str | None
) -> None:
    await talk.say("hello")
    await talk.storage.change_session(SESSION, SessionChange(thinking_level=level))
    await talk.say("think")
    assert [request.body.get("reasoning_effort") for request in server.requests] == [None, effort]


async def test_a_model_that_is_not_there_fails_the_turn_and_says_which_there_are(talk: Talk) -> None:
    end = await talk.say("hello", model="fake/huge")
    assert end.state is RunState.FAILED
    assert end.message is None
    assert end.error is not None
    assert "There is: fake/small, fake/large, builtin/offline." in end.error
    assert end.outbox[0].text == f"Sorry, I could not answer. {end.error}"
    assert RunError(end.error) in talk.events


async def test_a_fallback_answers_for_a_model_that_does_not(start_talk: Talks, server: OpenAIServer) -> None:
    settings = {"agents": {"defaults": {"model": {"primary": "fake/a", "fallbacks": ["fake/gone", "fake/b"]}}}}
    models = {"fake": provider(server, "a", "b")}
    talk = start_talk(settings=settings, models=models)
    server.script(Fail(401))
    end = await talk.say("hello")
    assert end.model == "fake/b"
    assert [asked.body["model"] for asked in server.requests] == ["a", "b"]


async def test_no_fallback_is_tried_for_a_request_that_is_refused(start_talk: Talks, server: OpenAIServer) -> None:
    settings = {"agents": {"defaults": {"model": {"primary": "fake/a", "fallbacks": ["fake/b"]}}}}
    talk = start_talk(settings=settings, models={"fake": provider(server, "a", "b")})
    server.script(Fail(400, "No."))
    end = await talk.say("hello")
    assert end.error == "fake/a refused the request (HTTP 400: No.). /model shows which other models there are."
    assert len(server.requests) == 1


async def test_no_key_is_told_to_anybody(talk: Talk, server: OpenAIServer) -> None:
    server.script(Fail(401, f"Incorrect API key provided: {KEY}."))
    end = await talk.say("hello")
    assert end.error is not None
    assert "FAKE_API_KEY" in end.error
    assert KEY not in str(end)
    assert KEY not in str(talk.events)


async def test_an_answer_that_broke_off_twice_is_sent_as_far_as_it_came(talk: Talk, server: OpenAIServer) -> None:
    server.script(Cut("The answer"), Cut("The answer is"))
    end = await talk.say("hello")
    assert end.state is RunState.FAILED
    assert end.message == Message(Role.ASSISTANT, "The answer is", model="fake/small")
    assert end.outbox[0].text.startswith("The answer is\n\nSorry, I could not answer. fake/small does not answer")


async def test_an_error_of_our_own_is_told_without_its_inside(
    start_talk: Talks, capsys: pytest.CaptureFixture[str]
) -> None:
    class BrokenPool(ProviderPool):
        async def get(self, endpoint: Endpoint | None, ref: str) -> Provider:
            raise RuntimeError("inside")

    end = await start_talk(pool=BrokenPool(OfflineProvider("", ""))).say("hello")
    assert end.state is RunState.FAILED
    assert end.error == "Something went wrong inside the gateway. Its log says what: xopc gateway logs."
    assert "RuntimeError: inside" in capsys.readouterr().out


async def test_a_storage_that_fails_is_not_the_agents_to_explain(talk: Talk, server: OpenAIServer) -> None:
    turn = await talk.claim("tool:current_time")
    assert await talk.storage.delete_session(SESSION)
    with pytest.raises(StorageError):
        await talk.agent.run_turn(turn, talk.events.append)


async def test_a_turn_that_takes_too_long_is_stopped_and_says_so(
    start_talk: Talks, server: OpenAIServer, mock_clock: MockClock
) -> None:
    talk = start_talk(
        settings={"agents": {"defaults": {"maxTaskDurationMs": 60_000}}}, models={"fake": provider(server)}
    )
    server.script(Stall("Let me"))

    async def hurry() -> None:
        while not any(isinstance(event, Token) for event in talk.events):  # noqa: ASYNC110  events are only kept
            await trio.sleep(0.01)
        mock_clock.rate = 500

    mock_clock.rate = 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hurry)
        end = await talk.say("hello")
    assert end.state is RunState.FAILED
    assert end.timed_out
    apology = "I stopped after 60 s without coming to an end. Ask for less, or raise agents.defaults.maxTaskDurationMs."
    assert end.error == apology
    assert end.outbox[0].text == f"Let me\n\nSorry, I could not answer. {apology}"


async def test_a_turn_of_another_process_goes_on_with_its_tool(talk: Talk, server: OpenAIServer) -> None:
    turn = await talk.claim("what time is it?")
    call = ToolCall("call_1", "current_time", "{}")
    step = await talk.storage.step(turn.run_id, Message(Role.ASSISTANT, "", (call,), model="fake/small"))
    end = await talk.run(evolve(turn, steps=(*turn.steps, step)))
    assert end.state is RunState.DONE
    assert end.outbox[0].text.startswith("The tool said: ")
    assert [message.role for message in await talk.transcript()] == [
        Role.USER,
        Role.ASSISTANT,
        Role.TOOL,
        Role.ASSISTANT,
    ]
    assert len(server.requests) == 1


async def test_a_turn_that_had_its_answer_ends_with_it(talk: Talk, server: OpenAIServer) -> None:
    turn = await talk.claim("hello")
    step = await talk.storage.step(turn.run_id, Message(Role.ASSISTANT, "Hi.", model="fake/small"))
    end = await talk.run(evolve(turn, steps=(*turn.steps, step)))
    assert server.requests == []
    assert end.outbox[0].text == "Hi."
    assert [message.content for message in await talk.transcript()] == ["hello", "Hi."]
    result = await talk.storage.result(turn.run_id)
    assert result is not None
    assert result.reply == "Hi."


async def test_a_cancelled_turn_keeps_its_steps(talk: Talk, server: OpenAIServer) -> None:
    server.script(Call((("current_time", "{}"),)), Say("late", seconds=30))
    turn = await talk.claim("what time is it?")
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk.agent.run_turn, turn, talk.events.append)
            while len(server.requests) < 2:  # noqa: ASYNC110  the server announces no request
                await trio.sleep(0.01)
            scope.cancel()
    assert [message.role for message in await talk.transcript()] == [Role.USER, Role.ASSISTANT, Role.TOOL]


async def test_without_any_model_the_built_in_one_answers(storage: PathStorage, tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    async with open_agent(Settings(), resolve_paths(environ), environ, storage) as agent:
        end = await Talk(agent, storage).say("hello")
    assert end.model == OFFLINE
    assert "~/.xopc/models.json" in end.outbox[0].text


async def test_what_is_odd_about_the_models_goes_to_the_log(
    storage: PathStorage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"HOME": str(tmp_path), "XOPC_MODELS_JSON": str(tmp_path / "m.json")}
    await trio.Path(tmp_path / "m.json").write_text("{")
    async with open_agent(Settings(), resolve_paths(environ), environ, storage):
        pass
    assert "m.json is not used: it is not JSON" in capsys.readouterr().out


async def test_the_connections_to_providers_end_with_the_agent(
    storage: PathStorage, server: OpenAIServer, tmp_path: Path
) -> None:
    environ = {"HOME": str(tmp_path), "OPENAI_API_KEY": KEY}
    (tmp_path / ".xopc").mkdir()
    await trio.Path(tmp_path / ".xopc" / "models.json").write_text(
        f'{{"providers": {{"openai": {{"baseUrl": "{server.base_url}"}}}}}}'
    )
    async with open_agent(Settings(), resolve_paths(environ), environ, storage) as agent:
        talk = Talk(agent, storage)
        await talk.say("one")
        await talk.say("two")
        assert server.connections == 1
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    with pytest.raises(RuntimeError):
        await agent._pool._client.post(server.base_url)  # type: ignore[union-attr]  it is made by now


async def test_the_built_in_model_is_none_that_could_look_by_itself(
    start_talk: Talks, server: OpenAIServer, storage: PathStorage, tmp_path: Path
) -> None:
    assert start_talk(models={"fake": provider(server, "small")}).agent.has_model
    paths = resolve_paths({"HOME": str(tmp_path / "empty")})
    async with open_agent(Settings(), paths, {}, storage) as agent:
        assert not agent.has_model
