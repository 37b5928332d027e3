from __future__ import annotations

import pytest
import trio
import trio.testing

from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.events import AgentEvent, MessageEnd, Progress, Token, ToolEnd
from xopc.contracts.transcript import RunResult, RunState
from xopc.core.sessions import runs as module
from xopc.core.sessions.runs import KEPT_SECONDS, MAX_EVENTS, MERGED_BEHIND, Runs, RunStream

THINKING = Progress("thinking", "Thinking")


def done(run_id: str = "r1", state: RunState = RunState.DONE) -> RunResult:
    return RunResult(run_id, "a:b:c:d:e", state, "Hello there")


def opened(*events: AgentEvent) -> Runs:
    runs = Runs(clock=lambda: 7.5)
    runs.open("r1", "a:b:c:d:e", is_new=True)
    for event in events:
        runs.publish("r1", event)
    return runs


async def read(runs: Runs, after: int | None = None) -> list[tuple[int, AgentEvent]]:
    """All of a closed run."""
    async with runs.follow("r1", after) as stream:
        return [pair async for pair in stream]


def text(events: list[tuple[int, AgentEvent]]) -> str:
    """What a client shows that has followed these."""
    shown = ""
    for _, event in events:
        if isinstance(event, Token):
            shown = event.content if event.reset else shown + event.content
    return shown


async def test_a_follower_gets_what_there_was_and_then_what_comes_until_the_run_is_closed() -> None:
    runs = opened(THINKING, Token("Hel"))
    async with runs.follow("r1") as stream, trio.open_nursery() as nursery:
        got: list[tuple[int, AgentEvent]] = []

        async def follow() -> None:
            got.extend([pair async for pair in stream])

        nursery.start_soon(follow)
        await trio.testing.wait_all_tasks_blocked()
        assert got == []
        assert stream.result is None
        runs.publish("r1", Token("lo"))
        await trio.testing.wait_all_tasks_blocked()
        runs.publish("r1", MessageEnd())
        runs.close("r1", done())
    assert got == [(1, THINKING), (2, Token("Hel")), (3, Token("lo")), (4, MessageEnd())]
    assert stream.result == done()


async def test_a_follower_who_comes_back_goes_on_behind_the_last_number_he_had() -> None:
    runs = opened(THINKING, Token("Hel"), Token("lo"), MessageEnd())
    runs.close("r1", done())
    assert await read(runs, after=2) == [(3, Token("lo")), (4, MessageEnd())]
    assert await read(runs, after=4) == []


async def test_a_number_that_another_process_counted_to_means_the_beginning() -> None:
    runs = opened(THINKING)
    runs.close("r1", done())
    assert await read(runs, after=57) == [(1, THINKING)]


async def test_receive_gives_what_happened_in_between_and_loses_nothing_when_it_is_cancelled() -> None:
    runs = opened()
    async with runs.follow("r1") as stream:
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.receive()
        assert scope.cancelled_caught
        runs.publish("r1", THINKING)
        runs.publish("r1", MessageEnd())
        assert await stream.receive() == [(1, THINKING), (2, MessageEnd())]
        runs.close("r1", done())
        assert await stream.receive() == []


async def test_tokens_are_merged_for_a_follower_who_is_far_behind_and_for_him_alone() -> None:
    runs = opened(THINKING)
    async with runs.follow("r1") as quick, runs.follow("r1") as slow:
        seen: list[tuple[int, AgentEvent]] = []
        for number in range(MERGED_BEHIND + 1):
            runs.publish("r1", Token(f"{number} "))
            seen += await quick.receive()
        assert len(seen) == MERGED_BEHIND + 2
        late = await slow.receive()
    assert [number for number, _ in late] == [1, MERGED_BEHIND + 2]
    assert text(late) == text(seen)


async def test_a_text_that_begins_anew_is_merged_with_what_comes_after_it() -> None:
    tokens = [Token("Wrong "), Token("text", reset=True), *(Token("!") for _ in range(MERGED_BEHIND))]
    runs = opened(*tokens, MessageEnd())
    runs.close("r1", done())
    end = MERGED_BEHIND + 2
    assert await read(runs) == [
        (1, Token("Wrong ")),
        (end, Token("text" + "!" * MERGED_BEHIND, reset=True)),
        (end + 1, MessageEnd()),
    ]
    assert await read(runs, after=end - 2) == [(end - 1, Token("!")), (end, Token("!")), (end + 1, MessageEnd())]


async def test_a_long_text_is_folded_and_nothing_of_it_is_lost() -> None:
    count = MAX_EVENTS * 3
    runs = opened(THINKING, *(Token(f"{number} ") for number in range(count)), MessageEnd())
    runs.close("r1", done())
    whole = "".join(f"{number} " for number in range(count))
    assert text(await read(runs)) == whole
    # Where single tokens are no longer known, their text comes anew and whole.
    early = await read(runs, after=100)
    assert isinstance(early[0][1], Token)
    assert early[0][1].reset
    assert text(early) == whole
    late = await read(runs, after=count - 3)
    assert [event for _, event in late[-5:]] == [
        Token(f"{count - 4} "), Token(f"{count - 3} "), Token(f"{count - 2} "), Token(f"{count - 1} "), MessageEnd()
    ]  # fmt: skip


async def test_of_too_many_events_the_oldest_are_forgotten() -> None:
    runs = opened(*(Progress("thinking", str(number)) for number in range(MAX_EVENTS + 1)))
    runs.close("r1", done())
    numbers = [number for number, _ in await read(runs)]
    assert numbers == list(range(MAX_EVENTS + 2 - MAX_EVENTS // 2, MAX_EVENTS + 2))


async def test_of_too_much_text_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHARS", 10_000)
    results = [ToolEnd(str(number), "read", False, str(number) * 4000) for number in range(4)]
    runs = opened(*results)
    runs.close("r1", done())
    assert [event for _, event in await read(runs)] == results[2:]


async def test_an_ended_run_can_be_followed_for_five_minutes(autojump_clock: trio.testing.MockClock) -> None:
    runs = opened(THINKING)
    runs.close("r1", done())
    await trio.sleep(KEPT_SECONDS - 1)
    runs.open("r2", "a:b:c:d:e")
    assert await read(runs) == [(1, THINKING)]
    await trio.sleep(1)
    runs.open("r3", "a:b:c:d:e")
    with pytest.raises(XopcError) as caught:
        await read(runs)
    assert caught.value.failure is Failure.NOT_FOUND
    assert "r1" not in runs
    assert set(runs.open_runs()) == {"r2", "r3"}


async def test_of_too_many_ended_runs_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENDED_CHARS", 2500)
    runs = Runs()
    for run_id in ("r1", "r2", "r3"):
        runs.open(run_id, "a:b:c:d:e")
        runs.publish(run_id, Token("x" * 1000))
        runs.close(run_id, done(run_id))
    assert [run_id in runs for run_id in ("r1", "r2", "r3")] == [False, True, True]


async def test_only_the_first_end_of_a_run_counts_and_nothing_comes_after_it() -> None:
    runs = opened()
    runs.close("r1", done())
    runs.close("r1", done(state=RunState.FAILED))
    runs.publish("r1", THINKING)
    runs.open("r1", "a:b:c:d:e")
    assert await runs.wait("r1") == done()
    assert await read(runs) == []


async def test_a_follower_who_comes_before_the_first_event_of_a_run_that_goes_on_waits_for_it() -> None:
    runs = opened(THINKING, Token("Hel"))
    runs.close("r1", done(state=RunState.RUNNING))
    runs.open("r1", "a:b:c:d:e")
    async with runs.follow("r1") as stream, trio.open_nursery() as nursery:
        got: list[list[tuple[int, AgentEvent]]] = []

        async def receive() -> None:
            got.append(await stream.receive())

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        assert got == []
        runs.publish("r1", Token("Hello"))
    assert got == [[(7_500_001, Token("Hello"))]]


async def test_a_run_that_has_ended_can_begin_anew_with_higher_numbers() -> None:
    runs = opened(THINKING)
    runs.close("r1", done())
    runs.open("r1", "a:b:c:d:e")
    assert not runs.is_open("r1")
    runs.begin_again("r1", "a:b:c:d:e")
    assert runs.is_open("r1")
    runs.publish("r1", Token("Hello"))
    runs.close("r1", done())
    assert await read(runs) == [(7_500_001, Token("Hello"))]


async def test_an_interrupted_run_that_goes_on_begins_anew_with_higher_numbers() -> None:
    runs = opened(THINKING, Token("Hel"))
    async with runs.follow("r1") as old:
        runs.close("r1", done(state=RunState.RUNNING))
        runs.open("r1", "a:b:c:d:e")
        assert runs.is_open("r1")
        assert text([pair async for pair in old]) == "Hel"
    runs.publish("r1", Token("Hello"))
    runs.close("r1", done())
    assert await read(runs, after=2) == await read(runs) == [(7_500_001, Token("Hello"))]
    assert await runs.wait("r1") == done()


async def test_a_number_of_the_process_before_is_none_of_the_run_that_goes_on_however_far_that_has_come() -> None:
    runs = Runs(clock=lambda: 7.5)
    runs.open("r1", "a:b:c:d:e")
    for word in ("You ", "said ", "Hello"):
        runs.publish("r1", Token(word))
    async with runs.follow("r1", 2) as anew, runs.follow("r1", 7_500_002) as on, runs.follow("r1", 7_500_000) as first:
        assert (anew.is_from_start, on.is_from_start, first.is_from_start) == (True, False, False)
        assert text(await anew.receive()) == text(await first.receive()) == "You said Hello"
        assert await on.receive() == [(7_500_003, Token("Hello"))]


async def test_wait_returns_with_the_result_when_the_run_is_closed() -> None:
    runs = opened()
    results: list[RunResult] = []

    async def wait() -> None:
        results.append(await runs.wait("r1"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert results == []
        runs.close("r1", done())
    assert results == [done(), done()]


async def test_what_is_said_of_an_unknown_run_is_not_kept() -> None:
    runs = Runs()
    runs.publish("r1", THINKING)
    runs.close("r1", done())
    assert "r1" not in runs
    with pytest.raises(XopcError, match="There is no run r1"):
        await runs.wait("r1")


async def test_a_stream_at_its_end_stays_there() -> None:
    runs = opened(THINKING)
    runs.close("r1", done())
    async with runs.follow("r1") as stream:
        assert isinstance(stream, RunStream)
        assert await anext(stream) == (1, THINKING)
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(stream)


async def test_whoever_counts_hears_of_each_end_once_and_how_long_it_took(
    autojump_clock: trio.testing.MockClock,
) -> None:
    told: list[tuple[RunState, float]] = []
    runs = Runs(lambda result, seconds: told.append((result.state, seconds)))
    runs.open("r1", "a:b:c:d:e")
    await trio.sleep(3)
    runs.close("r1", done(state=RunState.FAILED))
    runs.close("r1", done())
    assert told == [(RunState.FAILED, 3.0)]
