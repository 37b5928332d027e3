"""A Bot API server on loopback: it speaks the documented wire of https://core.telegram.org/bots/api, and fails as told.

In a test's own process:

    async with serving() as bot_api:
        bot_api.receive(chat=7, text="Hello")          # a user writes to the bot
        bot_api.fail("sendMessage", status=429, parameters={"retry_after": 2})
        bot_api.sent, bot_api.calls                    # what the bot did

As a process of its own, whose first line of output is its port:

    python tests/fakes/telegram_server.py --port 0
    POST /control/message {"chat": 7, "from": 7, "text": "Hello"}     GET /control/sent
    POST /control/chat    {"chat": 7}: somebody started the bot, and it may write to him
    POST /control/fault   {"method": "sendMessage", "status": 500}    GET /control/calls
    GET /control/updates: what the bot has not confirmed yet
    GET /control/count    {"chat": 7}: how much the bot has said there
"""

from __future__ import annotations

import argparse
import html
import json
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import h11
import trio
from attrs import define, field

TOKEN = "123456:FAKE-token-of-the-tests-0123456789abcd"
MAX_UNITS = 4096
MAX_BODY_BYTES = 1024 * 1024

JsonObject = dict[str, Any]

_TAGS = {"b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "tg-spoiler", "a", "code", "pre", "blockquote"}
_TAG = re.compile(r"<(?P<end>/?)(?P<name>[a-zA-Z][a-zA-Z0-9-]*)(?P<attributes>(?:\s+[a-z-]+(?:=\"[^\"<>]*\")?)*)\s*>")


class RefusalError(Exception):
    """An answer with `ok: false`."""

    def __init__(self, code: int, description: str, **parameters: object) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


@define
class Call:
    """One call of a method, as it came in."""

    method: str
    parameters: JsonObject
    code: int | None = None
    """Of the answer; None before it, and where the connection was cut."""


@define
class Fault:
    """What goes wrong with the next calls."""

    method: str
    """`*` is any."""
    times: int = 1
    status: int | None = None
    description: str = "as the test wants it"
    parameters: JsonObject = field(factory=dict[str, Any])
    body: str | None = None
    """Sent as it is, with `status`: what a proxy on the way would say."""
    cut: str | None = None
    """`before` or `after` the method did its work: the connection is closed without an answer."""
    delay: float = 0.0
    """Seconds before anything else."""


@define(eq=False)
class BotApi:
    """The state of the server: one bot, its chats, and what was done."""

    token: str = TOKEN
    bot_id: int = 123456
    username: str = "example_bot"
    port: int = 0
    calls: list[Call] = field(factory=list[Call])
    sent: list[JsonObject] = field(factory=list[JsonObject])
    """The messages that the bot sent: `chat`, `text` (visible), `html` (as sent), and the rest as given."""
    counts: Counter[int] = field(factory=Counter[int])
    """How many, by chat."""
    chats: set[int] = field(factory=set[int])
    """Those that the bot may write to."""
    blocked: set[int] = field(factory=set[int])
    migrated: dict[int, int] = field(factory=dict[int, int])
    threads: set[int] = field(factory=set[int])
    webhook: str = ""
    updates: list[JsonObject] = field(factory=list[JsonObject])
    """Not confirmed yet."""
    next_update: int = 1000
    next_message: int = 1
    faults: list[Fault] = field(factory=list[Fault])
    _poll: trio.CancelScope | None = None
    _changed: trio.Event = field(factory=trio.Event)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # ------------------------------------------------------- what tests do

    def receive(self, *, chat: int, text: str = "", sender: int | None = None, **more: object) -> int:
        """A user writes to the bot: the update's number. A negative chat is a group."""
        self.chats.add(chat)
        private = chat > 0
        message: JsonObject = {
            "message_id": self._take_message_id(),
            "date": int(time.time()),
            "chat": {"id": chat, "type": "private"} if private else {"id": chat, "type": "supergroup", "title": "Club"},
            "from": {"id": sender or abs(chat), "is_bot": False, "first_name": "Robin"},
            **({"text": text} if text else {}),
            **more,
        }
        return self.update(message=message)

    def update(self, **content: object) -> int:
        """Any update: its number."""
        number, self.next_update = self.next_update, self.next_update + 1
        self.updates.append({"update_id": number, **content})
        self._wake()
        return number

    def fail(self, method: str, **what: object) -> None:
        """Let the next call (or `times` calls) of a method fail, see `Fault`."""
        self.faults.append(Fault(method, **cast("JsonObject", what)))

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something holds of this object."""
        while not condition():
            await self._changed.wait()

    def called(self, method: str) -> list[JsonObject]:
        """The parameters of all calls of a method."""
        return [call.parameters for call in self.calls if call.method == method]

    # ------------------------------------------------------------- methods

    async def answer(self, token: str, method: str, parameters: JsonObject) -> tuple[int, bytes] | None:
        """Status and body for a call, or None where the connection is to be cut."""
        call = Call(method, parameters)
        self.calls.append(call)
        self._wake()
        answer = await self._answer(token, method, parameters)
        call.code = answer and answer[0]
        self._wake()
        return answer

    async def _answer(self, token: str, method: str, parameters: JsonObject) -> tuple[int, bytes] | None:
        fault = self._take_fault(method)
        if fault is not None:
            await trio.sleep(fault.delay)
            if fault.cut == "before":
                return None
            if fault.body is not None:
                return fault.status or 200, fault.body.encode()
        try:
            self._check(token, fault)
            result = await self._do(method, parameters)
        except RefusalError as refusal:
            body: JsonObject = {"ok": False, "error_code": refusal.code, "description": refusal.description}
            if refusal.parameters:
                body["parameters"] = refusal.parameters
            return refusal.code, json.dumps(body).encode()
        if fault is not None and fault.cut == "after":
            return None
        return 200, json.dumps({"ok": True, "result": result}).encode()

    def _check(self, token: str, fault: Fault | None) -> None:
        if fault is not None and fault.status is not None:
            raise RefusalError(fault.status, fault.description, **fault.parameters)
        if token != self.token:
            raise RefusalError(401, "Unauthorized")

    async def _do(self, method: str, parameters: JsonObject) -> object:
        match method:
            case "getMe":
                return {"id": self.bot_id, "is_bot": True, "first_name": "Example", "username": self.username}
            case "deleteWebhook":
                self.webhook = ""
                return True
            case "getUpdates":
                return await self._get_updates(parameters)
            case "sendMessage":
                return self._send_message(parameters)
            case "sendChatAction":
                self._chat(parameters)
                return True
            case _:
                raise RefusalError(404, "Not Found")

    async def _get_updates(self, parameters: JsonObject) -> list[JsonObject]:
        if self.webhook:
            what = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
            raise RefusalError(409, f"Conflict: {what}")
        if self._poll is not None:
            self._poll.cancel()
        offset = int(parameters.get("offset") or 0)
        self.updates = [update for update in self.updates if update["update_id"] >= offset]
        self._wake()
        self._poll = poll = trio.CancelScope()
        with poll:
            with trio.move_on_after(float(parameters.get("timeout") or 0)):
                await self.until(lambda: self._wanted(parameters))
        if poll.cancelled_caught:
            what = "terminated by other getUpdates request; make sure that only one bot instance is running"
            raise RefusalError(409, f"Conflict: {what}")
        self._poll = None
        return self._wanted(parameters)[: int(parameters.get("limit") or 100)]

    def _wanted(self, parameters: JsonObject) -> list[JsonObject]:
        kinds = parameters.get("allowed_updates") or ()
        return [update for update in self.updates if not kinds or any(kind in update for kind in kinds)]

    def _send_message(self, parameters: JsonObject) -> JsonObject:
        chat = self._chat(parameters)
        text = str(parameters.get("text") or "")
        visible = (_visible(text) if parameters.get("parse_mode") == "HTML" else text).strip()
        if not visible:
            raise RefusalError(400, "Bad Request: message text is empty")
        if len(visible.encode("utf-16-le")) // 2 > MAX_UNITS:
            raise RefusalError(400, "Bad Request: message is too long")
        thread = parameters.get("message_thread_id")
        if thread is not None and thread not in self.threads:
            raise RefusalError(400, "Bad Request: message thread not found")
        reply: JsonObject = parameters.get("reply_parameters") or {}
        if reply and reply["message_id"] >= self.next_message and not reply.get("allow_sending_without_reply"):
            raise RefusalError(400, "Bad Request: message to be replied not found")
        message: JsonObject = {
            "message_id": self._take_message_id(),
            "date": int(time.time()),
            "chat": {"id": chat, "type": "private" if chat > 0 else "supergroup"},
            "text": visible,
        }
        self.sent.append({**parameters, **message, "chat": chat, "html": text})
        self.counts[chat] += 1
        return message

    def _chat(self, parameters: JsonObject) -> int:
        chat = parameters.get("chat_id")
        if chat is None or chat == "":
            raise RefusalError(400, "Bad Request: chat_id is empty")
        if not isinstance(chat, int) and not re.fullmatch(r"-?\d+", str(chat)):
            raise RefusalError(400, "Bad Request: chat not found")
        number = int(chat)
        if number in self.migrated:
            what = "Bad Request: group chat was upgraded to a supergroup chat"
            raise RefusalError(400, what, migrate_to_chat_id=self.migrated[number])
        if number in self.blocked:
            raise RefusalError(403, "Forbidden: bot was blocked by the user")
        if number not in self.chats:
            raise RefusalError(400, "Bad Request: chat not found")
        return number

    # --------------------------------------------------------------- parts

    def _take_fault(self, method: str) -> Fault | None:
        for fault in self.faults:
            if fault.method in (method, "*"):
                fault.times -= 1
                if not fault.times:
                    self.faults.remove(fault)
                return fault
        return None

    def _take_message_id(self) -> int:
        number, self.next_message = self.next_message, self.next_message + 1
        return number

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def control(self, what: str, body: JsonObject) -> object:
        """The endpoints for tests in another process."""
        match what:
            case "message":
                more = {key: value for key, value in body.items() if key not in ("chat", "from", "text")}
                return {
                    "update_id": self.receive(chat=body["chat"], sender=body.get("from"), text=body["text"], **more)
                }
            case "chat":
                self.chats.add(body["chat"])
                return {}
            case "fault":
                self.fail(body.pop("method", "*"), **body)
                return {}
            case "updates":
                return self.updates
            case "count":
                return self.counts[body["chat"]]
            case "sent":
                return self.sent
            case "calls":
                return [{"method": c.method, "parameters": c.parameters, "code": c.code} for c in self.calls]
            case _:
                raise RefusalError(404, "Not Found")


def _visible(text: str) -> str:
    """The text without its tags. Raises RefusalError as the Bot API does, if in fewer words."""
    stack: list[str] = []
    visible: list[str] = []
    position = 0
    while (start := text.find("<", position)) >= 0:
        visible.append(text[position:start])
        offset = len(text[:start].encode("utf-8", "surrogatepass"))
        tag = _TAG.match(text, start)
        if tag is None or tag["name"].lower() not in _TAGS:
            name = re.match(r"</?([^\s>]*)", text[start:])
            what = f'Unsupported start tag "{name and name[1]}" at byte offset {offset}'
            raise RefusalError(400, f"Bad Request: can't parse entities: {what}")
        if not tag["end"]:
            stack.append(tag["name"].lower())
        elif not stack or stack.pop() != tag["name"].lower():
            raise RefusalError(400, f"Bad Request: can't parse entities: Unmatched end tag at byte offset {offset}")
        position = tag.end()
    if stack:
        what = f'Can\'t find end tag corresponding to start tag "{stack[-1]}"'
        raise RefusalError(400, f"Bad Request: can't parse entities: {what}")
    visible.append(text[position:])
    return html.unescape("".join(visible))


# ---------------------------------------------------------------------- HTTP


@asynccontextmanager
async def serving(bot_api: BotApi | None = None, port: int = 0) -> AsyncGenerator[BotApi]:
    """A Bot API on loopback, for the length of the block."""
    bot_api = bot_api or BotApi()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            partial(trio.serve_tcp, partial(_serve_connection, bot_api), port, host="127.0.0.1")
        )
        bot_api.port = listeners[0].socket.getsockname()[1]
        yield bot_api
        nursery.cancel_scope.cancel()


async def _serve_connection(bot_api: BotApi, stream: trio.SocketStream) -> None:
    connection = h11.Connection(h11.SERVER)
    try:
        while (request := await _next_request(connection, stream)) is not None:
            answer = await _answer_while_connected(bot_api, stream, *request)
            if answer is None:
                return
            status, body = answer
            headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
            data = connection.send(h11.Response(status_code=status, headers=headers)) or b""
            data += connection.send(h11.Data(data=body)) or b""
            data += connection.send(h11.EndOfMessage()) or b""
            await stream.send_all(data)
            if connection.our_state is not h11.DONE:
                return
            connection.start_next_cycle()
    except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
        return  # the client went away
    finally:
        with trio.CancelScope(shield=True):
            await stream.aclose()


async def _next_request(connection: h11.Connection, stream: trio.SocketStream) -> tuple[str, str, bytes] | None:
    head: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some())
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
            if len(body) > MAX_BODY_BYTES:
                return None
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return head.method.decode(), head.target.decode(), body
        else:
            return None


async def _answer_while_connected(
    bot_api: BotApi, stream: trio.SocketStream, method: str, target: str, body: bytes
) -> tuple[int, bytes] | None:
    """The answer, or None when it is not wanted any more: a long poll ends with its connection."""
    answer: tuple[int, bytes] | None = None

    async def watch(scope: trio.CancelScope) -> None:
        # A client sends nothing before it has its answer, so what can be read is the end.
        await trio.lowlevel.wait_readable(stream.socket)
        scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, nursery.cancel_scope)
        answer = await _route(bot_api, method, target, body)
        nursery.cancel_scope.cancel()
    return answer


async def _route(bot_api: BotApi, method: str, target: str, body: bytes) -> tuple[int, bytes] | None:
    try:
        parameters = cast("JsonObject", json.loads(body)) if body else {}
    except ValueError:
        return 400, b'{"ok":false,"error_code":400,"description":"Bad Request: strings must be encoded in UTF-8"}'
    if found := re.fullmatch(r"/bot([^/]+)/(\w+)", target):
        return await bot_api.answer(found[1], found[2], parameters)
    if found := re.fullmatch(r"/control/(\w+)", target):
        try:
            return 200, json.dumps(bot_api.control(found[1], parameters)).encode()
        except (RefusalError, KeyError, TypeError) as error:
            return 400, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()
    return 404, b'{"ok":false,"error_code":404,"description":"Not Found"}'


async def _main(port: int, token: str) -> None:
    async with serving(BotApi(token=token), port) as bot_api:
        print(bot_api.port, flush=True)  # noqa: T201  what the caller waits for
        await trio.sleep_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A Bot API server for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=TOKEN)
    arguments = parser.parse_args()
    trio.run(_main, arguments.port, arguments.token)
