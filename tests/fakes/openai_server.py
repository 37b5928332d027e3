"""A model provider on loopback that speaks the documented chat-completions wire, faults included.

https://platform.openai.com/docs/api-reference/chat-streaming

In a test: `async with serving() as server`, then `server.script(Say("Hi"), Fail(500))`; what is not scripted is done
as the user's last message asks: `slow:5` (and words behind it) takes five seconds, `tool:current_time` calls a tool and
then tells what it said, `fail:500` fails, `cut` breaks the connection off in the middle, `say:…` says it; anything else
is echoed as `You said: …`. As a process of its own it prints its port:

    python tests/fakes/openai_server.py --port 0

`GET /requests` tells what was asked so far, and `GET /v1/models` the models. A key that begins with `wrong` is refused,
and so is a model whose name begins with `missing`.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, cast

import h11
import trio
from attrs import define, field, frozen

Json: TypeAlias = "dict[str, Any]"


@frozen
class Say:
    """Stream a text, in pieces, over `seconds`."""

    text: str
    seconds: float = 0.0
    pieces: int = 4
    usage: tuple[int, int] = (11, 7)


@frozen
class Call:
    """Call tools, as (name, arguments), the arguments in fragments; `text` is said before."""

    calls: tuple[tuple[str, str], ...]
    text: str = ""


@frozen
class Fail:
    """An answer that is no stream."""

    status: int
    message: str = "The server had an error."
    code: str | None = None
    param: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


@frozen
class Cut:
    """Say something, and break the connection off."""

    text: str


@frozen
class Stall:
    """Say something, and then nothing more."""

    text: str = ""


@frozen
class Raw:
    """These bytes as the body of an answer of this kind."""

    body: bytes
    kind: str = "text/event-stream"
    status: int = 200


Reply: TypeAlias = Say | Call | Fail | Cut | Stall | Raw


@frozen
class Asked:
    """One request."""

    path: str
    headers: dict[str, str]
    body: Json

    @property
    def last(self) -> Json:
        return self.body["messages"][-1]


@define(eq=False)
class OpenAIServer:
    """The server's state: what it was asked, and what it will answer."""

    port: int = 0
    requests: list[Asked] = field(factory=list[Asked])
    replies: deque[Reply] = field(factory=deque[Reply])
    models: tuple[str, ...] = ("echo", "text-embedding-small")
    connections: int = 0
    """Made so far."""

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def script(self, *replies: Reply) -> None:
        """Answer the next requests so."""
        self.replies.extend(replies)

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection, kept alive."""
        self.connections += 1
        connection = h11.Connection(h11.SERVER)
        try:
            async with stream:
                while await self._exchange(connection, stream):
                    connection.start_next_cycle()
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            pass  # the client has gone

    async def _exchange(self, connection: h11.Connection, stream: trio.SocketStream) -> bool:
        """Whether the connection can be used again."""
        got = await _receive(connection, stream)
        if got is None:
            return False
        request, content = got
        wire = _Answer(connection, stream)
        path = request.target.decode()
        if path == "/requests":
            told = [{"path": asked.path, "body": asked.body} for asked in self.requests]
            await wire.whole(200, json.dumps(told).encode())
        elif path == "/v1/models":
            listed = [{"id": model, "object": "model", "owned_by": "fake"} for model in self.models]
            await wire.whole(200, json.dumps({"object": "list", "data": listed}).encode())
        else:
            headers = {name.decode(): value.decode() for name, value in request.headers}
            asked = Asked(path, headers, json.loads(content or b"{}"))
            self.requests.append(asked)
            reply = self.replies.popleft() if self.replies else _refusal(asked) or _by_text(asked.body)
            await _give(wire, asked.body, reply)
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE


@asynccontextmanager
async def serving() -> AsyncGenerator[OpenAIServer]:
    """A server on a port of the kernel's, for as long as the block runs."""
    server = OpenAIServer()
    async with trio.open_nursery() as nursery:
        await start(nursery, server, 0)
        yield server
        nursery.cancel_scope.cancel()


async def start(nursery: trio.Nursery, server: OpenAIServer, port: int) -> None:
    """Listen on loopback; the port is known when it returns."""
    listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    server.port = listeners[0].socket.getsockname()[1]
    nursery.start_soon(trio.serve_listeners, server.serve, listeners)


@define(eq=False)
class _Answer:
    connection: h11.Connection
    stream: trio.SocketStream

    async def whole(self, status: int, body: bytes, *headers: tuple[str, str], kind: str = "application/json") -> None:
        length = ("content-length", str(len(body)))
        await self.send(h11.Response(status_code=status, headers=[("content-type", kind), length, *headers]))
        await self.send(h11.Data(data=body))
        await self.send(h11.EndOfMessage())

    async def begin(self) -> None:
        headers = [("content-type", "text/event-stream; charset=utf-8"), ("transfer-encoding", "chunked")]
        await self.send(h11.Response(status_code=200, headers=headers))

    async def event(self, value: Json | str) -> None:
        data = value if isinstance(value, str) else json.dumps(value)
        await self.send(h11.Data(data=f"data: {data}\n\n".encode()))

    async def end(self) -> None:
        await self.event("[DONE]")
        await self.send(h11.EndOfMessage())

    async def send(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        await self.stream.send_all(self.connection.send(event) or b"")


async def _receive(connection: h11.Connection, stream: trio.SocketStream) -> tuple[h11.Request, bytes] | None:
    request: h11.Request | None = None
    content = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some())
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            content += event.data
        elif isinstance(event, h11.EndOfMessage):
            return (request, content) if request else None
        else:
            return None


async def _give(wire: _Answer, body: Json, reply: Reply) -> None:
    match reply:
        case Fail(status, message, code, param, headers):
            kind = "invalid_request_error" if status < 500 else "server_error"
            error = {"message": message, "type": kind, "param": param, "code": code}
            await wire.whole(status, json.dumps({"error": error}).encode(), *headers)
        case Raw(content, kind, status):
            await wire.whole(status, content, kind=kind)
        case Cut(text):
            await _open(wire, body)
            await wire.event(_chunk(body, {"content": text}))
            await wire.stream.aclose()
        case Stall(text):
            await _open(wire, body)
            if text:
                await wire.event(_chunk(body, {"content": text}))
            await trio.sleep_forever()
        case Say():
            await _say(wire, body, reply)
        case Call(calls, text):
            await _open(wire, body)
            if text:
                await wire.event(_chunk(body, {"content": text}))
            await _call(wire, body, calls)


async def _open(wire: _Answer, body: Json) -> None:
    await wire.begin()
    await wire.event(_chunk(body, {"role": "assistant", "content": "", "refusal": None}))


async def _say(wire: _Answer, body: Json, reply: Say) -> None:
    await _open(wire, body)
    size = max(1, -(-len(reply.text) // reply.pieces))
    for start_at in range(0, len(reply.text), size):
        if reply.seconds:
            await trio.sleep(reply.seconds / reply.pieces)
        await wire.event(_chunk(body, {"content": reply.text[start_at : start_at + size]}))
    await wire.event(_chunk(body, {}, "stop"))
    await _tell_usage(wire, body, reply.usage)
    await wire.end()


async def _call(wire: _Answer, body: Json, calls: Sequence[tuple[str, str]]) -> None:
    for index, (name, arguments) in enumerate(calls):
        head = {"index": index, "id": f"call_{len(body['messages'])}_{index}", "type": "function"}
        await wire.event(_chunk(body, {"tool_calls": [{**head, "function": {"name": name, "arguments": ""}}]}))
        for fragment in re.findall(r".{1,6}", arguments, re.DOTALL):
            piece = {"index": index, "function": {"arguments": fragment}}
            await wire.event(_chunk(body, {"tool_calls": [piece]}))
    await wire.event(_chunk(body, {}, "tool_calls"))
    await _tell_usage(wire, body, (11, 7))
    await wire.end()


async def _tell_usage(wire: _Answer, body: Json, usage: tuple[int, int]) -> None:
    if body.get("stream_options", {}).get("include_usage"):
        counts = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
        await wire.event({**_chunk(body, {}), "choices": [], "usage": counts})


def _chunk(body: Json, delta: Json, finish: str | None = None) -> Json:
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": body.get("model", ""),
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        "usage": None,
    }


def _refusal(asked: Asked) -> Fail | None:
    if asked.headers.get("authorization", "").startswith("Bearer wrong"):
        return Fail(401, "Incorrect API key provided.", "invalid_api_key")
    model = str(asked.body.get("model", ""))
    if model.startswith("missing"):
        return Fail(404, f"The model `{model}` does not exist or you do not have access to it.", "model_not_found")
    return None


def _by_text(body: Json) -> Reply:
    """The reply that the last message asks for."""
    messages = cast("list[Json]", body.get("messages", []))
    last = messages[-1] if messages else {}
    if last.get("role") == "tool":
        return Say(f"The tool said: {last['content']}")
    text = str(last.get("content") or "")
    word, _, rest = text.partition(":")
    argument = rest.strip()
    if word == "slow" and (seconds := re.fullmatch(r"(\d+(?:\.\d+)?)(?:\s.*)?", argument, re.DOTALL)):
        return Say(f"You said: {text}", seconds=float(seconds[1]), pieces=10)
    if word == "tool":
        name, _, arguments = argument.partition(" ")
        return Call(((name, arguments or "{}"),))
    if word == "fail" and re.fullmatch(r"[45]\d\d", argument):
        return Fail(int(argument))
    if word == "say":
        return Say(argument)
    if text == "cut":
        return Cut("You sa")
    return Say(f"You said: {text}")


async def _main(port: int) -> None:
    server = OpenAIServer()
    async with trio.open_nursery() as nursery:
        await start(nursery, server, port)
        print(server.port, flush=True)  # noqa: T201  how whoever started it learns the port


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A model provider that echoes.")
    parser.add_argument("--port", type=int, default=0)
    trio.run(_main, parser.parse_args().port)
