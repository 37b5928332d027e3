"""Callers of every kind, who behave as good clients: what was cut they repeat under its key, and only then."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import threading
import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from tests.e2e.chaos.clients import CREDENTIAL, TIMEOUT_SECONDS, Answer, ask, connect
from tests.e2e.chaos.ledger import Outcome
from tests.e2e.crash.ledger import Said
from tests.e2e.outside import Outside
from xopc.agent.history import INTERRUPTED
from xopc.server.api.turns import CUT_OFF

AGAIN_SECONDS = 0.1
"""Before what was cut is asked again."""
PATIENCE_SECONDS = 30
LOOK_SECONDS = 0.5
JSON = {"Content-Type": "application/json", **CREDENTIAL}


class Caller(threading.Thread):
    """Says one text after the other until `finish`. An error that it did not expect is raised by `finish`."""

    is_chat = True
    """Whether it talks to a chat of the bot; else in a session of the API."""
    has_turns = True
    """Whether the agent answers."""
    place_length = 30
    """Messages in one chat or session before the next: one that grew for ever would slow down what is measured."""

    def __init__(self, name: str, port: int, world: Outside, pause: tuple[float, float], first_chat: int) -> None:
        """`pause` is the shortest and the longest time between two texts, in seconds."""
        super().__init__(name=name, daemon=True)
        self.port = port
        self.world = world
        self.said: dict[str, list[Said]] = {}
        """By chat, or by name of the session."""
        self.ending = threading.Event()
        self._pause = pause
        self._first_chat = first_chat
        self._numbers = itertools.count()
        self._error: Exception | None = None

    def run(self) -> None:
        dice = random.Random(self.name)  # noqa: S311 - it plays fate, and hides nothing
        try:
            while not self.ending.wait(dice.uniform(*self._pause)):
                self.act()
        except Exception as error:
            self._error = error

    def act(self) -> None:
        """Say one text, and see it acknowledged, if that can be seen."""
        number = next(self._numbers)
        place = self._place(number // self.place_length)
        text = self.text(number)
        said = self.said.setdefault(place, [])
        unsure = Said(text, acknowledged=False, answers=self.answers(text))
        said.append(unsure)  # before it is said: whoever looks meanwhile knows it
        if self.say(place, text):
            said[-1] = Said(text, answers=self.answers(text))

    def finish(self) -> None:
        self.ending.set()
        self.join(TIMEOUT_SECONDS + 20)
        if self._error is not None:
            raise self._error
        assert not self.is_alive(), f"{self.name} does not end"

    @abstractmethod
    def say(self, place: str, text: str) -> bool:
        """Whether it was acknowledged; False where that cannot be known, and it may not be said again."""

    def text(self, number: int) -> str:
        return f"{self.name} {number:05}"

    def answers(self, text: str) -> Sequence[str]:
        """What the agent may say to it."""
        return (f"You said: {text}",)

    def _place(self, number: int) -> str:
        if not self.is_chat:
            return f"{self.name}-{number}"
        chat = self.chat(self._first_chat + number)
        self.world.meet(chat)
        return str(chat)

    def chat(self, number: int) -> int:
        return number

    # ------------------------------------------------------------ over HTTP

    def post(self, path: str, body: object, key: str | None) -> Answer | None:
        """A whole answer; None where it was cut and there is no key to ask again with."""
        while True:
            headers = {**CREDENTIAL, **({} if key is None else {"Idempotency-Key": key})}
            connection = connect(self.port)
            answer = ask(connection, "POST", path, body, headers)
            connection.close()
            if answer.outcome is Outcome.ANSWERED:
                return answer
            if self.has_turns and answer.detail.startswith("status 502"):
                return None  # three processes died over it, and it was given up
            # On a busy machine a turn may not be done when the drain is over: it began, and is told as cut.
            is_cut = answer.outcome is Outcome.TORN or CUT_OFF in answer.detail
            if not is_cut and not answer.detail.startswith("status 503"):
                raise AssertionError(f"{path} of {self.name}: {answer.outcome.value} {answer.detail}")
            if self.ending.is_set() or (key is None and is_cut):
                return None
            time.sleep(AGAIN_SECONDS)

    def check(self, reply: str, text: str) -> None:
        if reply not in self.answers(text):
            raise AssertionError(f"{self.name} was told {reply!r} to {text!r}")


class Person(Caller):
    """Somebody who writes to the bot, and waits a while for its answer before the next. The platform keeps a message
    until the gateway has confirmed it."""

    def say(self, place: str, text: str) -> bool:
        self.world.write(text, chat=int(place))
        impatient_at = time.monotonic() + PATIENCE_SECONDS
        while self.world.count(int(place)) < len(self.said[place]) and time.monotonic() < impatient_at:
            if self.ending.wait(LOOK_SECONDS):
                break
        return True


class Member(Person):
    """Somebody who writes in a group, where the model is told who it is."""

    def chat(self, number: int) -> int:
        return -number

    def answers(self, text: str) -> Sequence[str]:
        return (f"You said: Robin: {text}",)


class Ringer(Person):
    """Somebody who, every other time, wants something done that must not be done twice."""

    def text(self, number: int) -> str:
        text = super().text(number)
        return f'tool:ring_bell {{"text": "{text}"}}' if number % 2 == 0 else text

    def answers(self, text: str) -> Sequence[str]:
        if not text.startswith("tool:"):
            return super().answers(text)
        rung = json.loads(text.partition(" ")[2])["text"]
        return f"The tool said: rang {rung}", f"The tool said: {INTERRUPTED}"


class Ponderer(Person):
    """Somebody whose answers take the model some time."""

    def text(self, number: int) -> str:
        return f"slow:0.4 {super().text(number)}"


class Poster(Caller):
    """A program that sends messages to a chat, every third one in two parts."""

    has_turns = False
    keyed = True

    def text(self, number: int) -> str:
        text = super().text(number)
        return text if number % 3 else f"{text} one {'x' * 150}\n\n{text} two {'y' * 150}"

    def answers(self, text: str) -> Sequence[str]:
        return ()

    def say(self, place: str, text: str) -> bool:
        body = {"channel": "telegram", "chat_id": place, "content": text}
        return self.post("/api/message", body, text[:32] if self.keyed else None) is not None


class KeylessPoster(Poster):
    """The same without a key: what was cut is left alone."""

    keyed = False


class Syncer(Caller):
    """A program that has the agent answer as if a chat had said something; the answer goes to the chat, too."""

    def say(self, place: str, text: str) -> bool:
        body = {"channel": "telegram", "chat_id": place, "content": text}
        answer = self.post("/api/message/sync", body, text)
        if answer is not None:
            self.check(answer.body["reply"], text)
        return answer is not None


class Asker(Caller):
    """A program that asks the agent, and waits for the whole answer."""

    is_chat = False
    keyed = True

    def say(self, place: str, text: str) -> bool:
        answer = self.post("/api/agent", {"message": text, "session": place}, text if self.keyed else None)
        if answer is not None:
            self.check(answer.body["reply"], text)
        return answer is not None


class KeylessAsker(Asker):
    """The same without a key: its messages are bound to their connections."""

    keyed = False


class Streamer(Caller):
    """A program that follows the agent's answer, and asks for the stream again when it is cut."""

    is_chat = False

    def say(self, place: str, text: str) -> bool:
        run_id, is_complete = self._follow("/api/agent", {"message": text, "session": place}, text)
        while run_id and not is_complete and not self.ending.is_set():
            time.sleep(AGAIN_SECONDS)
            _, is_complete = self._follow("/api/agent/resume", {"runId": run_id}, text)
        return run_id is not None

    def _follow(self, path: str, body: object, text: str) -> tuple[str | None, bool]:
        """The run's id, None where the stream was cut before it was told; and whether the stream is complete."""
        run_id: str | None = None
        headers = {**JSON, "Accept": "text/event-stream"}
        with closing(connect(self.port)) as connection:
            try:
                connection.request("POST", path, json.dumps(body), headers)
                response = connection.getresponse()
                if response.status == 503:
                    return None, False
                assert response.status == 200, response.read()
                for datum in _data(response):
                    if "runId" in datum:
                        run_id = str(datum["runId"])
                    if "reply" in datum:
                        if datum["status"] == "ok":
                            self.check(datum["reply"], text)
                        return run_id, True
            except (OSError, http.client.HTTPException):
                pass
        return run_id, False


def _data(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    for line in response:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


KINDS: Sequence[type[Caller]] = (
    Person, Poster, Asker, Streamer, Member, KeylessPoster, Syncer, Ringer, KeylessAsker, Ponderer,
)  # fmt: skip


def crowd(size: int, port: int, world: Outside, pause: tuple[float, float]) -> Sequence[Caller]:
    """So many of them, of all kinds by turns."""
    return [
        KINDS[number % len(KINDS)](
            f"{KINDS[number % len(KINDS)].__name__}{number}", port, world, pause, 1_000_000 + 1000 * number
        )
        for number in range(size)
    ]
