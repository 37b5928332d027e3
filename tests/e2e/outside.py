"""The outside world of a conversation, on loopback: a Bot API server and a model provider, each a process."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.e2e.harness import TOKEN, Gateway, until, write_config
from tests.fakes.telegram_server import TOKEN as BOT_TOKEN

FAKES = Path(__file__).parents[1] / "fakes"
CHAT = 7


@frozen
class Outside:
    """Both servers."""

    telegram_port: int
    model_port: int

    # ------------------------------------------------------------- telegram

    def write(self, text: str, *, chat: int = CHAT) -> None:
        """A user writes to the bot."""
        _call(self.telegram_port, "POST", "/control/message", {"chat": chat, "from": chat, "text": text})

    def meet(self, *chats: int) -> None:
        """These users started the bot, so that it may write to them."""
        for chat in chats:
            _call(self.telegram_port, "POST", "/control/chat", {"chat": chat})

    def sent(self, chat: int = CHAT) -> list[str]:
        """What the bot has said in a chat, in order."""
        return [message["text"] for message in self.messages() if message["chat"] == chat]

    def messages(self) -> list[Any]:
        """Everything that the bot has said: `chat`, `text`, `date` and more, in order."""
        return _call(self.telegram_port, "GET", "/control/sent")

    def calls(self, method: str) -> int:
        """How often the bot has called a method."""
        return sum(call["method"] == method for call in _call(self.telegram_port, "GET", "/control/calls"))

    def count(self, chat: int) -> int:
        """How much the bot has said in a chat."""
        return _call(self.telegram_port, "GET", "/control/count", {"chat": chat})

    def unconfirmed(self) -> list[Any]:
        """The updates that the gateway has still to take over."""
        return _call(self.telegram_port, "GET", "/control/updates")

    def fault(self, **what: object) -> None:
        _call(self.telegram_port, "POST", "/control/fault", what)

    # ---------------------------------------------------------------- model

    def asked(self) -> list[Any]:
        """The messages of each request to the model."""
        return [request["body"]["messages"] for request in _call(self.model_port, "GET", "/requests")]

    # ------------------------------------------------------------- gateway

    def configure(self, home: Path) -> None:
        """A configuration that talks to both."""
        telegram = {
            "enabled": True,
            "botToken": BOT_TOKEN,
            "apiRoot": f"http://127.0.0.1:{self.telegram_port}",
            "dmPolicy": "open",
            "pacing": False,
        }
        write_config(
            home,
            {
                "gateway": {"auth": {"token": TOKEN}},
                "agents": {"defaults": {"model": "fake/echo"}},
                "channels": {"telegram": telegram},
                "session": {"dmScope": "per-account-channel-peer"},
            },
        )
        provider = {
            "baseUrl": f"http://127.0.0.1:{self.model_port}/v1",
            "apiKey": "an-invented-key",
            "api": "openai-completions",
            "models": [{"id": "echo"}],
        }
        (home / ".xopc" / "models.json").write_text(json.dumps({"providers": {"fake": provider}}))

    def until_sent(self, count: int, *, chat: int = CHAT, seconds: float = 20) -> list[str]:
        """What the bot has said, once that is so much."""
        return until(lambda: sent if len(sent := self.sent(chat)) >= count else None, "the bot answers", seconds) or []


@contextmanager
def outside() -> Generator[Outside]:
    """Both servers, for as long as the block runs."""
    with _server("telegram_server.py") as telegram_port, _server("openai_server.py") as model_port:
        servers = Outside(telegram_port, model_port)
        servers.meet(CHAT)
        yield servers


def ask(gateway: Gateway, message: str, **fields: object) -> Any:  # noqa: ANN401 - JSON
    """`POST /api/agent`, as JSON."""
    body = json.dumps({"message": message, **fields})
    return gateway.request("POST", "/api/agent", body=body, headers={"Content-Type": "application/json"})


class Listener(threading.Thread):
    """A client of `GET /api/events`, or another stream: what it hears, head and chunks and all, until it is over."""

    def __init__(self, gateway: Gateway, query: str = "", *, path: str = "/api/events", **headers: str) -> None:
        super().__init__(daemon=True)
        self.heard = ""
        self._socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=30)
        lines = [f"GET {path}{query} HTTP/1.1", "Host: localhost", *(f"{k}: {v}" for k, v in headers.items())]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.start()

    def run(self) -> None:
        with self._socket:
            while data := self._socket.recv(4096):
                self.heard += data.decode()

    def hang_up(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self.join(10)


@contextmanager
def _server(name: str) -> Generator[int]:
    process = subprocess.Popen([sys.executable, str(FAKES / name), "--port", "0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def _call(port: int, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path, None if body is None else json.dumps(body))
        return json.loads(connection.getresponse().read())
