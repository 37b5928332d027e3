from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve, field, frozen

from tests.fakes.openai_server import Call, Cut, OpenAIServer, Say
from tests.fakes.turns import Talk, Talks, provider
from xopc.agent.tools.base import TOOL_SECONDS, ToolContext
from xopc.agent.tools.registry import TOOLS
from xopc.contracts.events import MessageEnd, Progress, Token, ToolEnd, ToolStart
from xopc.contracts.transcript import Message, Role, RunState, ToolCall, Usage


@frozen
class Counter:
    """A tool that counts how often it ran."""

    name: str = "counter"
    is_repeatable: bool = False
    description: str = "Counts."
    timeout_seconds: float = TOOL_SECONDS
    runs: list[ToolContext] = field(factory=list[ToolContext])

    @property
    def parameters(self) -> dict[str, Any]:
        return {"type": "object", "properties": {}}

    async def run(self, arguments: dict[str, Any], context: ToolContext) -> str:
        assert arguments == {}
        self.runs.append(context)
        return f"run {len(self.runs)}"


@pytest.fixture
def once() -> Counter:
    return Counter()


@pytest.fixture
def many() -> Counter:
    return Counter("many", is_repeatable=True)


@pytest.fixture
def talk(start_talk: Talks, server: OpenAIServer, once: Counter, many: Counter) -> Talk:
    settings = {"agents": {"defaults": {"maxToolIterations": 2}}}
    return start_talk(settings=settings, models={"fake": provider(server)}, tools=(*TOOLS, once, many))


async def test_a_tool_runs_and_the_model_is_told_what_came_of_it(
    talk: Talk, server: OpenAIServer, once: Counter
) -> None:
    server.script(Call((("counter", "{}"),), text="Let me see."), Say("It is done."))
    end = await talk.say("count")
    assert end.message is not None
    assert end.message.content == "It is done."
    assert end.usage == Usage(22, 14)
    assert [context.session_key for context in once.runs] == [talk.session]
    assert [asked["role"] for asked in server.requests[1].body["messages"]] == ["system", "user", "assistant", "tool"]
    assert server.requests[1].last == {"role": "tool", "tool_call_id": "call_2_0", "content": "run 1"}


async def test_events_tell_what_happens_in_its_order(talk: Talk, server: OpenAIServer) -> None:
    server.script(Call((("counter", "{}"),)), Say("Done.", pieces=1))
    await talk.say("count")
    assert talk.events == [
        Progress("thinking", "Thinking"),
        MessageEnd(),
        Progress("executing", "Running counter"),
        ToolStart("call_2_0", "counter", {}),
        ToolEnd("call_2_0", "counter", False, "run 1"),
        Progress("thinking", "Thinking"),
        Progress("writing", "Writing"),
        Token("Done."),
        MessageEnd(),
        Progress("idle", "Done"),
    ]


async def test_a_call_is_committed_before_its_tool_runs(talk: Talk, server: OpenAIServer) -> None:
    server.script(Call((("session_status", "{}"),)), Say("Done."))
    await talk.say("look")
    # The tool counts what is stored while it runs: the user's message, and the one with the call.
    assert "Messages: 2 " in (await talk.transcript())[2].content


async def test_each_of_several_calls_has_its_result(talk: Talk, server: OpenAIServer) -> None:
    server.script(Call((("counter", "{}"), ("many", "{}"), ("counter", "{}"))), Say("Done."))
    await talk.say("count")
    results = [message for message in await talk.transcript() if message.role is Role.TOOL]
    assert [(result.tool_name, result.content) for result in results] == [
        ("counter", "run 1"),
        ("many", "run 1"),
        ("counter", "run 2"),
    ]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("nothing", "{}", 'There is no tool "nothing". There are: current_time, session_status, counter, many.'),
        ("counter", '{"a": ', "The arguments are not JSON"),
        ("counter", "[]", "The arguments are not a JSON object."),
        ("current_time", '{"timezone": 3}', "$.timezone: must be a text, not a whole number"),
    ],
)
async def test_a_call_that_makes_no_sense_is_an_error_that_the_model_is_told(
    talk: Talk, server: OpenAIServer, name: str, arguments: str, said: str
) -> None:
    server.script(Call(((name, arguments),)), Say("Sorry."))
    end = await talk.say("do it")
    assert end.state is RunState.DONE
    result = (await talk.transcript())[2]
    assert result.is_error
    assert result.content.startswith(said)
    # Some servers refuse to parse a call that was malformed, so it goes back without its arguments.
    sent = server.requests[1].body["messages"][2]["tool_calls"][0]["function"]["arguments"]
    assert isinstance(json.loads(sent), dict)


async def test_a_model_that_never_stops_calling_tools_is_stopped(talk: Talk, server: OpenAIServer) -> None:
    call = Call((("many", "{}"),))
    server.script(call, call, call)
    end = await talk.say("count")
    assert end.state is RunState.FAILED
    assert end.error == (
        "I used tools 2 times and came to no end. Ask for less at once, or raise agents.defaults.maxToolIterations."
    )
    assert len(server.requests) == 2


async def test_an_answer_that_breaks_off_is_asked_for_anew(talk: Talk, server: OpenAIServer) -> None:
    server.script(Cut("It is ha"), Say("It is done.", pieces=1))
    end = await talk.say("do it")
    assert end.outbox[0].text == "It is done."
    tokens = [event for event in talk.events if isinstance(event, Token)]
    assert tokens == [Token("It is ha"), Token("", reset=True), Token("It is done.")]


async def test_what_was_interrupted_is_not_run_again_unless_it_may_be(
    talk: Talk, server: OpenAIServer, once: Counter, many: Counter
) -> None:
    turn = await talk.claim("count")
    calls = (ToolCall("1", "counter", "{}"), ToolCall("2", "many", "{}"))
    step = await talk.storage.step(turn.run_id, Message(Role.ASSISTANT, "", calls, usage=Usage(5, 5)))
    server.script(Say("Done."))
    end = await talk.run(evolve(turn, steps=(*turn.steps, step)))
    assert once.runs == []
    assert len(many.runs) == 1
    first, second = (await talk.transcript())[2:4]
    assert first.is_error
    assert first.content == "It was interrupted by a restart of the gateway; it may or may not have happened."
    assert second == Message(Role.TOOL, "run 1", tool_call_id="2", tool_name="many")
    assert end.usage == Usage(16, 12)


async def test_results_that_there_are_already_stay(talk: Talk, server: OpenAIServer, many: Counter) -> None:
    turn = await talk.claim("count")
    calls = (ToolCall("1", "many", "{}"), ToolCall("2", "many", "{}"))
    steps = [
        await talk.storage.step(turn.run_id, Message(Role.ASSISTANT, "", calls)),
        await talk.storage.step(turn.run_id, Message(Role.TOOL, "seen", tool_call_id="1", tool_name="many")),
    ]
    server.script(Say("Done."))
    await talk.run(evolve(turn, steps=(*turn.steps, *steps)))
    assert len(many.runs) == 1
    sent = [message["content"] for message in server.requests[0].body["messages"] if message["role"] == "tool"]
    assert sent == ["seen", "run 1"]
