from __future__ import annotations

import json

import pytest
import trio

from tests.fakes.generation import Generation
from tests.fakes.message_path import MessagePath
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.events import Progress, Token
from xopc.contracts.messages import Address, Inbound, PeerKind
from xopc.contracts.transcript import RunResult, RunState
from xopc.server.api.run_stream import attach
from xopc.server.services import Services
from xopc.server.sse import EventStream, Frame
from xopc.storage.path.base import Acceptance

KEY = "main:webchat:default:direct:notes"


@pytest.fixture
def services(path: MessagePath) -> Services:
    return Generation(path=path).services()


async def frames(stream: EventStream) -> list[Frame]:
    """All of a stream, to its end."""
    received: list[Frame] = []
    async with stream.open() as source:
        with trio.fail_after(5):
            while batch := await source.receive():
                received += batch
    return received


def ids(received: list[Frame]) -> list[str | None]:
    return [frame.id for frame in received]


def result(state: RunState = RunState.DONE) -> RunResult:
    return RunResult("r1", KEY, state, "Hi")


async def test_events_are_numbered_behind_accepted(services: Services) -> None:
    services.runs.open("r1", KEY, is_new=True)
    services.runs.publish("r1", Progress("thinking", "Thinking"))
    services.runs.publish("r1", Token("Hi"))
    stream = await attach(services, "r1")
    services.runs.close("r1", result())
    received = await frames(stream)
    assert ids(received) == ["1", "2", "3", "4"]
    assert [frame.event for frame in received] == ["status", "progress", "token", "result"]


@pytest.mark.parametrize(
    ("last_id", "expected"),
    [("1", ["2", "3"]), ("2", ["3"]), ("3", []), ("4", ["1", "2", "3"]), ("no", ["1", "2", "3"])],
)
async def test_a_stream_begins_behind_what_the_client_has(
    services: Services, last_id: str, expected: list[str]
) -> None:
    services.runs.open("r1", KEY, is_new=True)
    for text in ("a", "b"):
        services.runs.publish("r1", Token(text))
    stream = await attach(services, "r1", last_id=last_id)
    services.runs.close("r1", result())
    assert ids(await frames(stream)) == [*expected, "4"]


@pytest.mark.parametrize("last_id", ["1", "2", "70", "9999999999999999"])
async def test_a_client_that_counted_with_another_process_begins_anew(services: Services, last_id: str) -> None:
    services.runs.open("r1", KEY)
    for text in ("a", "b"):
        services.runs.publish("r1", Token(text))
    stream = await attach(services, "r1", last_id=last_id)
    services.runs.close("r1", result())
    received = await frames(stream)
    assert [frame.event for frame in received] == ["status", "token", "token", "result"]
    numbers = [int(number or 0) for number in ids(received)]
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    assert numbers[0] > 70


async def test_a_client_goes_on_in_a_run_that_went_on_after_a_restart(services: Services) -> None:
    services.runs.open("r1", KEY)
    for text in ("a", "b"):
        services.runs.publish("r1", Token(text))
    async with (await attach(services, "r1")).open() as source:
        seen = ids([*await source.receive(), *await source.receive()])
    streams = [await attach(services, "r1", last_id=last_id) for last_id in seen]
    services.runs.close("r1", result())
    following = [ids(await frames(stream)) for stream in streams]
    assert [numbers[:-1] for numbers in following] == [seen[1:], seen[2:], []]


async def test_a_run_that_goes_on_elsewhere_has_no_result_yet(services: Services) -> None:
    services.runs.open("r1", KEY, is_new=True)
    stream = await attach(services, "r1")
    services.runs.close("r1", result(RunState.RUNNING))
    assert [frame.event for frame in await frames(stream)] == ["status"]


async def test_the_session_is_told_as_the_caller_named_it(services: Services) -> None:
    services.runs.open("r1", KEY, is_new=True)
    named, unnamed = await attach(services, "r1", session="notes"), await attach(services, "r1")
    services.runs.close("r1", result())
    told = [json.loads((await frames(stream))[-1].encoded.split(b"data: ")[1]) for stream in (named, unnamed)]
    assert [data["session"] for data in told] == ["notes", KEY]
    assert [data["sessionKey"] for data in told] == [KEY, KEY]


async def test_an_unknown_run_is_not_found(services: Services) -> None:
    with pytest.raises(XopcError) as caught:
        await attach(services, "nothing")
    assert caught.value.failure is Failure.NOT_FOUND


async def test_a_run_that_waits_for_the_next_generation_is_unavailable(services: Services) -> None:
    await services.sessions.drain()
    inbound = Inbound(Address("webchat", "default", "notes"), PeerKind.DIRECT, "notes", "Hello", "test:r1")
    await services.storage.accept([Acceptance(inbound, KEY, "r1")])
    with pytest.raises(XopcError) as caught:
        await attach(services, "r1")
    assert caught.value.failure is Failure.UNAVAILABLE
