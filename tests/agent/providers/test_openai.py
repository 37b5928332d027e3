from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
import trio
from attrs import evolve

from tests.fakes.openai_server import Call, Cut, Fail, OpenAIServer, Raw, Say, Stall, serving
from tests.ports import free_port
from xopc.agent.keys import PlainKey
from xopc.agent.providers import openai
from xopc.agent.providers.base import Chunk, ErrorKind, Finish, ModelRequest, ProviderError, TextDelta
from xopc.agent.providers.openai import OpenAIProvider, open_client
from xopc.agent.providers.openai_wire import Endpoint
from xopc.contracts.transcript import NO_USAGE, Message, Role, ToolCall, Usage

KEY = "invented-key-1234567890-abcdef"
REQUEST = ModelRequest("small", (Message(Role.USER, "hello"),), max_tokens=100, temperature=0.5)


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with serving() as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with open_client(idle_seconds=0.3) as client:
        yield client


@pytest.fixture
def endpoint(server: OpenAIServer) -> Endpoint:
    return Endpoint("fake", server.base_url, PlainKey("FAKE_API_KEY", KEY), {"x-title": "xopc"})


@pytest.fixture
def provider(endpoint: Endpoint, client: httpx2.AsyncClient) -> OpenAIProvider:
    return OpenAIProvider(endpoint, client)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "FIRST_PAUSE_SECONDS", 0.001)


async def chunks_of(provider: OpenAIProvider) -> list[Chunk]:
    async with provider.stream(REQUEST) as chunks:
        return [chunk async for chunk in chunks]


async def failure_of(provider: OpenAIProvider) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await chunks_of(provider)
    return caught.value


async def test_an_answer_streams_and_ends_with_its_usage(provider: OpenAIProvider, server: OpenAIServer) -> None:
    server.script(Say("Hello", pieces=2, usage=(3, 2)))
    assert await chunks_of(provider) == [TextDelta("Hel"), TextDelta("lo"), Finish(Usage(3, 2))]
    (asked,) = server.requests
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["x-title"] == "xopc"
    assert asked.body["messages"] == [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize("key", ["invented-k\u00e9y", "invented\nkey", "invented-\udcff"])
async def test_a_key_that_no_header_can_carry_is_told(
    server: OpenAIServer, endpoint: Endpoint, client: httpx2.AsyncClient, key: str
) -> None:
    error = await failure_of(OpenAIProvider(evolve(endpoint, key=PlainKey("FAKE_API_KEY", key)), client))
    assert (error.kind, error.message) == (ErrorKind.AUTH, "the key holds a sign that no HTTP header can carry")
    assert server.requests == []


async def test_it_streams_while_the_model_still_writes(provider: OpenAIProvider, server: OpenAIServer) -> None:
    server.script(Stall("Let me think"))
    async with provider.stream(REQUEST) as chunks:
        assert await anext(chunks) == TextDelta("Let me think")


async def test_calls_of_tools_come_whole(provider: OpenAIProvider, server: OpenAIServer) -> None:
    server.script(Call((("clock", '{"timezone": "Europe/Paris"}'), ("status", "{}"))))
    assert await chunks_of(provider) == [
        ToolCall("call_1_0", "clock", '{"timezone": "Europe/Paris"}'),
        ToolCall("call_1_1", "status", "{}"),
        Finish(Usage(11, 7)),
    ]


async def test_a_connection_is_used_again(provider: OpenAIProvider, server: OpenAIServer) -> None:
    for _ in range(3):
        await chunks_of(provider)
    assert (len(server.requests), server.connections) == (3, 1)


async def test_without_a_key_none_is_sent(endpoint: Endpoint, client: httpx2.AsyncClient, server: OpenAIServer) -> None:
    await chunks_of(OpenAIProvider(evolve(endpoint, key=None), client))
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_may_pass_is_tried_three_times(provider: OpenAIProvider, server: OpenAIServer, status: int) -> None:
    server.script(Fail(status), Fail(status), Say("Hello", pieces=1))
    assert (await chunks_of(provider))[0] == TextDelta("Hello")
    server.requests.clear()
    server.script(Fail(status), Fail(status), Fail(status))
    failure = await failure_of(provider)
    assert failure.kind is ErrorKind.TRANSIENT
    assert failure.message == f"HTTP {status}: The server had an error."
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_what_will_not_pass_is_tried_once(provider: OpenAIProvider, server: OpenAIServer, status: int) -> None:
    server.script(Fail(status))
    assert (await failure_of(provider)).kind is not ErrorKind.TRANSIENT
    assert len(server.requests) == 1


async def test_the_pause_that_the_provider_asks_for_is_kept(provider: OpenAIProvider, server: OpenAIServer) -> None:
    server.script(Fail(429, headers=(("retry-after-ms", "300"),)))
    began = trio.current_time()
    await chunks_of(provider)
    assert 0.3 <= trio.current_time() - began < 5


async def test_a_pause_that_is_too_long_is_not_waited_for(provider: OpenAIProvider, server: OpenAIServer) -> None:
    server.script(Fail(429, headers=(("retry-after", "60"),)))
    assert (await failure_of(provider)).retry_after == 60.0
    assert len(server.requests) == 1


@pytest.mark.parametrize("field", ["temperature", "max_tokens", "stream_options"])
async def test_a_field_that_a_model_does_not_take_is_left_out_from_then_on(
    provider: OpenAIProvider, server: OpenAIServer, field: str
) -> None:
    server.script(Fail(400, "Unsupported.", "unsupported_parameter", field))
    await chunks_of(provider)
    await chunks_of(provider)
    assert [field in asked.body for asked in server.requests] == [True, False, False]
    assert ("max_completion_tokens" in server.requests[1].body) == (field == "max_tokens")


async def test_a_connection_that_breaks_in_the_middle_is_told(provider: OpenAIProvider, server: OpenAIServer) -> None:
    server.script(Cut("Hel"))
    async with provider.stream(REQUEST) as chunks:
        assert await anext(chunks) == TextDelta("Hel")
        with pytest.raises(ProviderError, match="the connection broke off") as caught:
            await anext(chunks)
    assert caught.value.kind is ErrorKind.TRANSIENT
    assert len(server.requests) == 1


async def test_an_error_inside_the_stream_ends_it(provider: OpenAIProvider, server: OpenAIServer) -> None:
    server.script(Raw(b'data: {"error": {"message": "Overloaded"}}\n\ndata: [DONE]\n\n'))
    failure = await failure_of(provider)
    assert (failure.kind, failure.message) == (ErrorKind.TRANSIENT, "Overloaded")


async def test_an_answer_without_its_end_is_told(provider: OpenAIProvider, server: OpenAIServer) -> None:
    server.script(Raw(b'data: {"choices": [{"delta": {"content": "Hel"}}]}\n\n'))
    assert (await failure_of(provider)).message == "the answer broke off"


async def test_an_answer_that_says_why_it_ended_needs_no_done(provider: OpenAIProvider, server: OpenAIServer) -> None:
    server.script(Raw(b'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\n'))
    assert await chunks_of(provider) == [TextDelta("Hi"), Finish(NO_USAGE)]


async def test_a_model_that_falls_silent_is_given_up(provider: OpenAIProvider, server: OpenAIServer) -> None:
    server.script(Stall())
    failure = await failure_of(provider)
    assert (failure.kind, failure.message) == (ErrorKind.TRANSIENT, "it fell silent")


async def test_a_filtered_answer_is_told(provider: OpenAIProvider, server: OpenAIServer) -> None:
    server.script(Raw(b'data: {"choices": [{"delta": {}, "finish_reason": "content_filter"}]}\n\ndata: [DONE]\n\n'))
    assert "content filter" in (await failure_of(provider)).message


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Raw(b"<html>", "text/html"), "it answers with text/html instead of a stream: is the URL right?"),
        (Raw(b"", "text/html", 302), "HTTP 302, which is no answer of a model: is the URL right?"),
    ],
)
async def test_what_is_no_provider_is_told(
    provider: OpenAIProvider, server: OpenAIServer, reply: Raw, message: str
) -> None:
    server.script(reply)
    failure = await failure_of(provider)
    assert (failure.kind, failure.message) == (ErrorKind.BAD_REQUEST, message)


async def test_a_server_that_is_not_there_is_told(client: httpx2.AsyncClient) -> None:
    failure = await failure_of(OpenAIProvider(Endpoint("fake", f"http://127.0.0.1:{free_port()}/v1"), client))
    assert failure.kind is ErrorKind.TRANSIENT
    assert failure.message == "it could not be reached (connection refused)"


async def test_a_key_that_the_provider_repeats_is_masked(provider: OpenAIProvider, server: OpenAIServer) -> None:
    server.script(Fail(401, f"Incorrect API key provided: {KEY}."))
    failure = await failure_of(provider)
    assert KEY not in failure.message
    assert failure.message.startswith("HTTP 401: Incorrect API key provided: invent…cdef.")


async def test_a_cancelled_request_leaves_the_client_usable(provider: OpenAIProvider, server: OpenAIServer) -> None:
    server.script(Stall("Hel"))
    with trio.move_on_after(0.1) as scope:
        await chunks_of(provider)
    assert scope.cancelled_caught
    server.script(Say("Hello", pieces=1))
    assert (await chunks_of(provider))[0] == TextDelta("Hello")
