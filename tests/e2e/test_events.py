"""The broadcast events of the real gateway: what is told, to whom, and what becomes of those who read slowly."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.benchmarks.events import SCRIPT, measure
from tests.e2e.harness import TOKEN, Gateway, until, write_config
from tests.e2e.outside import ask
from xopc.client.stream import Frame, FrameReader
from xopc.contracts.broadcasts import BROADCASTS
from xopc.contracts.convert import structure
from xopc.core.hub import MAX_QUEUE

Start = Callable[..., Gateway]
READER = "an-invented-token-of-a-reader"


@contextmanager
def answer(
    gateway: Gateway, query: str = "", token: str | None = TOKEN, **headers: str
) -> Generator[http.client.HTTPResponse]:
    """An answer of `GET /api/events`, whose body is still to come."""
    with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)) as connection:
        credential = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", f"/api/events{query}", headers={**credential, **headers})
        with connection.getresponse() as response:
            yield response


def frames_of(response: http.client.HTTPResponse) -> Iterator[Frame]:
    reader = FrameReader()
    while piece := response.read1(65536):
        yield from reader.feed(piece)


@contextmanager
def following(gateway: Gateway, query: str = "", token: str = TOKEN, **headers: str) -> Generator[Iterator[Frame]]:
    """What a subscriber hears, behind his greeting."""
    with answer(gateway, query, token, **headers) as response:
        assert response.status == 200, response.read()
        frames = frames_of(response)
        assert next(frames).event == "connected"
        yield frames


def test_row_163_the_events_are_a_stream_for_whoever_has_a_credential(gateway: Gateway) -> None:
    with answer(gateway) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-cache"
        hello = next(frames_of(response))
    assert (hello.event, hello.id, list(hello.data)) == ("connected", "0", ["sessionId"])
    for token in (None, "an-invented-wrong-token"):
        with answer(gateway, token=token) as refused:
            assert (refused.status, json.load(refused)["error"]["code"]) == (401, "UNAUTHORIZED")
    with answer(gateway, f"?token={TOKEN}", token=None) as of_a_page:
        assert next(frames_of(of_a_page)).event == "connected"


def test_row_164_what_an_agent_does_is_among_the_events(talking: Gateway) -> None:
    with following(talking) as frames:
        reply = ask(talking, "tell everybody").json
        heard: list[Frame] = []
        for frame in frames:
            heard.append(frame)
            if frame.event == "session.updated" and any(said.event == "agent.stream" for said in heard):
                break  # the turn is over
    of_run = [frame.data for frame in heard if frame.event == "agent.stream"]
    assert {(data["runId"], data["sessionKey"]) for data in of_run} == {(reply["runId"], reply["sessionKey"])}
    said = [data["event"]["content"] for data in of_run if data["event"]["type"] == "token"]
    assert "".join(said) == reply["reply"] == "You said: tell everybody"
    for frame in heard:
        structure(frame.data, BROADCASTS[frame.event])  # keys that are not declared, or missing, are refused
    boot_ids, numbers = zip(*((frame.id or "").rsplit("-", 1) for frame in heard), strict=True)
    assert set(boot_ids) == {talking.health()["bootId"]}
    assert [*map(int, numbers)] == sorted(map(int, numbers))


def test_row_136_an_agent_answers_with_a_stream_where_it_is_asked_to(talking: Gateway) -> None:
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
    body = json.dumps({"message": "stream to the console", "session": "console"})
    reply = talking.request("POST", "/api/agent", body=body, headers=headers)
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/event-stream"
    assert (reply.headers["Cache-Control"], reply.headers["X-Accel-Buffering"]) == ("no-cache", "no")
    first, *frames, last = FrameReader().feed(reply.body)
    assert (first.event, first.data["type"], first.data["status"]) == ("status", "status", "accepted")
    assert [frame.id for frame in (first, *frames, last)] == [str(number + 1) for number in range(len(frames) + 2)]
    assert all(frame.data["type"] == frame.event for frame in frames)
    assert "".join(frame.data["content"] for frame in frames if frame.event == "token") == last.data["reply"]
    assert [frame.event for frame in frames].count("message_end") == 1
    assert (last.event, last.data["ok"], last.data["payload"]["status"]) == ("result", True, "ok")
    assert (last.data["status"], last.data["session"]) == ("ok", "console")
    assert last.data["runId"] == first.data["runId"]


def test_whoever_comes_back_gets_what_he_missed_and_after_another_start_is_told_that_he_cannot(
    start: Start, home: Path
) -> None:
    gateway = start()
    with following(gateway, "?types=session.updated") as frames:
        create(gateway, "one")
        last = next(frames).id
    create(gateway, "two")
    with following(gateway, "?types=session.updated", **{"Last-Event-ID": last or ""}) as frames:
        assert next(frames).data["key"].endswith(":two")
    gateway.kill()
    with following(start(), f"?lastEventId={last}") as frames:
        assert next(frames).event == "resync"


def test_a_token_that_may_read_leaves_the_owner_his_streams(start: Start, home: Path) -> None:
    digest = hashlib.sha256(READER.encode()).hexdigest()
    reader = {"name": "reader", "sha256": digest, "scopes": ["operator.read"]}
    write_config(home, {"gateway": {"auth": {"token": TOKEN, "tokens": [reader]}, "maxSseConnections": 4}})
    gateway = start()
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(following(gateway, token=READER))
        assert why_refused(gateway, READER).startswith("2 clients with this credential follow the events already")
        for _ in range(2):
            stack.enter_context(following(gateway, token=TOKEN))
        assert why_refused(gateway, TOKEN).startswith("4 clients follow the events already")
    until(lambda: can_follow(gateway), "the slots are free again")


def test_a_client_that_does_not_read_is_parted_from_and_slows_nobody(start: Start) -> None:
    gateway = start(child=SCRIPT)
    events = 3 * MAX_QUEUE
    with socket.socket() as idle, following(gateway, "?types=session.updated") as frames:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.connect(("127.0.0.1", gateway.port))
        idle.sendall(f"GET /api/events?token={TOKEN} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        until(lambda: gateway.request("GET", "/api/status").json["connections"] >= 3, "both are connected")
        publisher = threading.Thread(target=publish, args=(gateway, events, 3000))
        publisher.start()
        assert [next(frames).data["number"] for _ in range(events)] == [*range(1, events + 1)]
        publisher.join()
        until(lambda: "cut off" in gateway.text or "too slow" in gateway.text, "the idle client is closed")


@pytest.mark.shows_secrets("its subscribers are a process that gets the token with its command")
@pytest.mark.parametrize("kind", ["session.updated", "agent.stream"])
def test_a_hundred_subscribers_get_a_hundred_events_a_second_each_once_and_in_order(kind: str) -> None:
    found = measure(kind, subscribers=100, seconds=1)
    assert (found["lost"], found["closed"]) == (0, 0)


def create(gateway: Gateway, chat: str) -> None:
    reply = gateway.request(
        "POST",
        "/api/sessions",
        body=json.dumps({"chat_id": chat}),
        headers={"Content-Type": "application/json"},
    )
    assert reply.status == 201, reply.body


def publish(gateway: Gateway, count: int, rate: int) -> None:
    assert gateway.request("GET", f"/publish/session.updated/{rate}/{count}").status == 200


def why_refused(gateway: Gateway, token: str) -> str:
    with answer(gateway, token=token) as response:
        error = json.load(response)["error"]
    assert (response.status, error["code"]) == (503, "TOO_MANY_CONNECTIONS")
    return error["message"]


def can_follow(gateway: Gateway) -> bool:
    with answer(gateway, token=READER) as response:
        return response.status == 200
