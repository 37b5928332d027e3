"""Senders whose messages the gateway acknowledges, each with a text of its own, and what came of every one."""

from __future__ import annotations

import itertools
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from tests.e2e.chaos.clients import CREDENTIAL, Answer, Client, ask, connect
from tests.e2e.chaos.ledger import Delivery, Lane, Ledger, Outcome
from tests.e2e.harness import Gateway, until
from tests.e2e.outside import Outside

PAUSE_SECONDS = 0.05
LANE_LENGTH = 60
"""Messages to one address before the next: a session that grew for ever would slow down what is measured."""
SETTLE_SECONDS = 90
"""For what was acknowledged to be delivered, once the last disturbance is over: a retry may wait for 30 s."""


class Sender(Client):
    """Says one text after the other, each over and over until it is acknowledged."""

    def __init__(self, name: str, port: int, ledger: Ledger) -> None:
        super().__init__(name, port, ledger)
        self.lanes: dict[str, list[str]] = {}
        """By address: the acknowledged texts in their order."""
        self.may_repeat = True
        """Whether the end of a process may leave it unknown whether something was delivered."""
        self._texts = self._numbered()

    def act(self) -> None:
        address, text = next(self._texts)
        self.lanes.setdefault(address, [])
        while not self.say(address, text):
            if self.ending.is_set():
                return
            time.sleep(PAUSE_SECONDS)
        self.lanes[address].append(text)
        time.sleep(PAUSE_SECONDS)

    @abstractmethod
    def say(self, address: str, text: str) -> bool:
        """Whether it was acknowledged."""

    @abstractmethod
    def address(self, number: int) -> str:
        """The `number`th place to talk to."""

    def expected(self, text: str) -> Sequence[str]:
        """What an acknowledged text leads to, in order."""
        return (reply_to(text),)

    def delivered(self, world: Outside, gateway: Gateway) -> Mapping[str, Sequence[Delivery]]:
        """What came of it all, by address."""
        del gateway
        seen: dict[str, list[Delivery]] = {}
        for message in world.messages():
            seen.setdefault(str(message["chat"]), []).append(Delivery(message["text"], message["date"]))
        return seen

    def post(self, path: str, body: object, **headers: str) -> Answer:
        began = time.monotonic()
        connection = connect(self.port)
        answer = ask(connection, "POST", path, body, {**CREDENTIAL, **headers})
        connection.close()
        self.note(began, answer)
        return answer

    def _numbered(self) -> Iterator[tuple[str, str]]:
        for number in itertools.count():
            yield self.address(number // LANE_LENGTH), f"{self.name} {number:06}"


class Poster(Sender):
    """A program that sends messages to chats with `POST /api/message`."""

    def __init__(self, port: int, ledger: Ledger, world: Outside) -> None:
        super().__init__("poster", port, ledger)
        self._world = world

    def address(self, number: int) -> str:
        return _meet(self._world, 100_000 + number)

    def say(self, address: str, text: str) -> bool:
        body = {"channel": "telegram", "chat_id": address, "content": text, "idempotency_key": text}
        return self.post("/api/message", body).outcome is Outcome.ANSWERED

    def expected(self, text: str) -> Sequence[str]:
        return (text,)


class Person(Sender):
    """Somebody who writes to the bot. The platform keeps a message until the gateway has acknowledged it."""

    def __init__(self, port: int, ledger: Ledger, world: Outside) -> None:
        super().__init__("person", port, ledger)
        self._world = world

    def address(self, number: int) -> str:
        return _meet(self._world, 200_000 + number)

    def say(self, address: str, text: str) -> bool:
        self._world.write(text, chat=int(address))
        return True


class Asker(Sender):
    """A program that asks the agent with `POST /api/agent`, and repeats with the same key what broke off."""

    def __init__(self, port: int, ledger: Ledger) -> None:
        super().__init__("asker", port, ledger)
        self.may_repeat = False
        self.asks_for_turns = True

    def address(self, number: int) -> str:
        return f"chaos{number}"

    def say(self, address: str, text: str) -> bool:
        answer = self.post("/api/agent", {"message": text, "session": address}, **{"Idempotency-Key": text})
        return answer.outcome is Outcome.ANSWERED and answer.body["reply"] == reply_to(text)

    def expected(self, text: str) -> Sequence[str]:
        return text, reply_to(text)

    def delivered(self, world: Outside, gateway: Gateway) -> Mapping[str, Sequence[Delivery]]:
        del world
        seen: dict[str, list[Delivery]] = {}
        for address in self.lanes:
            reply = gateway.request("GET", f"/api/sessions/main:webchat:default:direct:{address}?limit=500")
            if reply.status == 200:
                messages = reply.json["session"]["messages"]
                seen[address] = [Delivery(message["content"], 0) for message in messages]
        return seen

    def note(self, began: float, answer: Answer) -> None:
        away = isinstance(answer.body, dict) and answer.detail.startswith("status 503")
        super().note(began, Answer(Outcome.AWAY, answer.detail) if away else answer)


def senders(port: int, ledger: Ledger, world: Outside) -> Sequence[Sender]:
    """One of each kind."""
    return Poster(port, ledger, world), Person(port, ledger, world), Asker(port, ledger)


def reply_to(text: str) -> str:
    """What the model says to it."""
    return f"You said: {text}"


def lanes(sender: Sender, world: Outside, gateway: Gateway) -> Sequence[Lane]:
    """What became of every message, once all that was acknowledged is there or will never be."""
    expected = {
        address: [line for text in texts for line in sender.expected(text)] for address, texts in sender.lanes.items()
    }
    wanted = {(address, text) for address, texts in expected.items() for text in texts}

    def is_all_there() -> bool:
        found = sender.delivered(world, gateway)
        return wanted <= {(address, one.text) for address, seen in found.items() for one in seen}

    with suppress(TimeoutError):  # what is missing is told by name
        until(is_all_there, "all is delivered", SETTLE_SECONDS)
    delivered = sender.delivered(world, gateway)
    return [
        Lane(f"{sender.name} to {address}", texts, delivered.get(address, ()), sender.may_repeat)
        for address, texts in expected.items()
    ]


def _meet(world: Outside, chat: int) -> str:
    world.meet(chat)
    return str(chat)
