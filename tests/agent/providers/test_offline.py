from __future__ import annotations

import pytest

from xopc.agent.providers.base import Chunk, Finish, ModelRequest, TextDelta, ToolSpec
from xopc.agent.providers.offline import MAX_QUOTE_CHARS, OfflineProvider
from xopc.contracts.transcript import Message, Role, ToolCall

PROVIDER = OfflineProvider("~/.xopc/models.json", "~/.xopc/xopc.json")
CLOCK = ToolSpec("current_time", "", {})


async def chunks_of(*messages: Message, tools: tuple[ToolSpec, ...] = ()) -> list[Chunk]:
    async with PROVIDER.stream(ModelRequest("offline", messages, tools)) as chunks:
        return [chunk async for chunk in chunks]


async def answer(*texts: str) -> str:
    """To the last of texts that are the user's and the model's in turns."""
    roles = (Role.USER, Role.ASSISTANT)
    messages = [Message(roles[place % 2], text) for place, text in enumerate(texts)]
    return "".join(chunk.text for chunk in await chunks_of(*messages) if isinstance(chunk, TextDelta))


async def test_it_streams_in_small_pieces_and_finishes() -> None:
    chunks = await chunks_of(Message(Role.USER, "hello"))
    assert len(chunks) > 50
    assert all(isinstance(chunk, TextDelta) for chunk in chunks[:-1])
    assert isinstance(chunks[-1], Finish)
    assert chunks[-1].usage.output > 0


async def test_it_answers_the_same_to_the_same() -> None:
    assert await chunks_of(Message(Role.USER, "x")) == await chunks_of(Message(Role.USER, "x"))


@pytest.mark.parametrize("text", ["hi", "Hello!", "hey there", "Good morning, ", "你好", "Hello 👋"])
async def test_it_greets_back_and_tells_how_to_connect_a_model(text: str) -> None:
    said = await answer(text)
    assert said.startswith("Hello! This is xopc")
    for word in (
        '{"providers": {"openai": "sk-…"}}',
        "~/.xopc/xopc.json",
        "~/.xopc/models.json",
        "xopc gateway restart",
        "/help",
    ):
        assert word in said
    assert "docs/how-to/connect-a-model.md" in said


async def test_it_tells_only_once_how_to_connect_a_model() -> None:
    first = await answer("hi")
    assert "To connect a model:" not in await answer("hi", first, "hi")
    assert await answer("hi", first, "What is love?") == (
        "Your question arrived: “What is love?”. I cannot answer it: no language model is connected, and I am only "
        "what is built in. Connecting a model takes a key in the configuration; /help says what works without."
    )


async def test_it_says_what_arrived_and_that_it_cannot_answer() -> None:
    said = await answer("Remind me\nto buy milk")
    assert said.startswith("Your message arrived: “Remind me to buy milk”. I cannot answer it: no language model")
    assert "To connect a model:" in said


async def test_a_long_message_is_quoted_in_part_with_its_length() -> None:
    said = await answer("word " * 200)
    assert said.startswith("Your message arrived (200 words): “word word")
    assert len(said.partition("”")[0]) < MAX_QUOTE_CHARS + 60


async def test_an_empty_message_is_no_trouble() -> None:
    assert (await answer(" ")).startswith("An empty message arrived.")


async def test_thanks_are_returned() -> None:
    assert (await answer("Thank you so much!")).startswith("You are welcome.")


@pytest.mark.parametrize("text", ["What time is it?", "what's the date today", "What day is it?"])
async def test_it_looks_at_the_clock_where_there_is_one(text: str) -> None:
    question = Message(Role.USER, text)
    call, _ = await chunks_of(question, tools=(CLOCK,))
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments) == ("current_time", "{}")
    result = Message(Role.TOOL, "Monday", tool_call_id=call.id)
    pieces = await chunks_of(question, Message(Role.ASSISTANT, "", (call,)), result, tools=(CLOCK,))
    assert "".join(piece.text for piece in pieces[:-1] if isinstance(piece, TextDelta)) == (
        "I looked at the clock: Monday"
    )
    assert "cannot answer" in await answer(text)
