from __future__ import annotations

import pytest
import trio
from attrs import evolve

from tests.fakes.generation import Generation
from tests.fakes.message_path import MessagePath
from xopc.contracts.errors import Failure, InvalidValueError, XopcError
from xopc.contracts.messages import Address, Inbound, PeerKind
from xopc.contracts.transcript import RunResult, RunState
from xopc.server.api.turns import (
    ANSWER_IS_GONE,
    ASK_AGAIN,
    CUT_OFF,
    TO_THE_CHAT,
    answer,
    checked_content,
    dedupe_key,
    idempotency_key,
    spoken,
    status_of,
    submit,
    succeeded,
)
from xopc.storage.path.base import Acceptance

KEY = "main:webchat:default:direct:notes"


def ended(state: RunState, reply: str = "", error: str | None = None, *, timed_out: bool = False) -> RunResult:
    return RunResult("r1", KEY, state, reply, error=error, timed_out=timed_out)


def acceptance(text: str, run_id: str, *, bound: bool = True) -> Acceptance:
    inbound = Inbound(Address("webchat", "default", "notes"), PeerKind.DIRECT, "notes", text, f"test:{run_id}")
    return Acceptance(inbound, KEY, run_id, bound=bound, deliver=False)


@pytest.mark.parametrize("content", ["a", " a ", "x" * 100_000, "\u200b"])
def test_a_message_is_taken_as_it_is(content: str) -> None:
    assert checked_content(content) == content


@pytest.mark.parametrize("content", ["", " ", "\n\t\u2003", "x" * 100_001])
def test_a_message_that_says_nothing_or_too_much_is_refused(content: str) -> None:
    with pytest.raises(XopcError, match="Invalid message content") as caught:
        checked_content(content)
    assert caught.value.failure is Failure.INVALID_REQUEST


def test_a_key_comes_in_the_header_or_in_the_body() -> None:
    assert idempotency_key({}, None) is None
    assert idempotency_key({"idempotency-key": "k"}, None) == "k"
    assert idempotency_key({}, "k") == "k"
    assert idempotency_key({"idempotency-key": "k"}, "k") == "k"


@pytest.mark.parametrize(("header", "in_body"), [("a", "b"), ("", None), ("k" * 257, None), ("\xe9", None)])
def test_a_key_that_is_none_is_refused(header: str, in_body: str | None) -> None:
    with pytest.raises(InvalidValueError, match=r"Idempotency-Key: (?:must match|is not)"):
        idempotency_key({"idempotency-key": header}, in_body)


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (ended(RunState.DONE), "ok"),
        (ended(RunState.ABORTED), "aborted"),
        (ended(RunState.FAILED), "error"),
        (ended(RunState.INTERRUPTED), "error"),
    ],
)
def test_a_run_ended_in_one_of_three_ways(result: RunResult, status: str) -> None:
    assert status_of(result) == status
    if status != "error":
        assert succeeded(result) == status


@pytest.mark.parametrize(
    ("result", "failure", "message"),
    [
        (ended(RunState.FAILED, error="The model is gone."), Failure.AGENT_FAILED, "The model is gone."),
        (ended(RunState.FAILED), Failure.AGENT_FAILED, "did not say why"),
        (ended(RunState.FAILED, error="Too long.", timed_out=True), Failure.AGENT_TIMED_OUT, "Too long."),
        (ended(RunState.INTERRUPTED), Failure.AGENT_INTERRUPTED, "Send the message again"),
    ],
)
def test_a_run_that_failed_is_an_error(result: RunResult, failure: Failure, message: str) -> None:
    with pytest.raises(XopcError, match=message) as caught:
        succeeded(result)
    assert caught.value.failure is failure


@pytest.mark.parametrize(
    ("reply", "told"), [("Hi", "Hi"), ("NO_REPLY", ""), (" HEARTBEAT_OK\n", ""), ("NO_REPLY?", "NO_REPLY?")]
)
def test_what_is_meant_for_nobody_is_not_told(reply: str, told: str) -> None:
    assert spoken(ended(RunState.DONE, reply)) == told


async def test_an_answer_is_the_end_of_the_turn(path: MessagePath) -> None:
    services = Generation(path=path).services()
    result = await answer(services, acceptance("Hello", "r1"))
    assert (result.run_id, result.reply) == ("r1", "Hello (1)")
    assert await submit(services, acceptance("Hello", "r1")) == "r1"


@pytest.mark.parametrize("bound", [True, False])
async def test_a_caller_who_is_gone_takes_only_his_own_bound_message_with_him(path: MessagePath, bound: bool) -> None:
    services = Generation(path=path).services()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer, services, acceptance("wait", "r1"))
        await path.script.begun.wait()
        with trio.move_on_after(0.1):
            await answer(services, acceptance("Hello", "r2", bound=bound))
        assert (await path.storage.result("r2") is None) is bound
        path.script.go.set()
    assert (await path.storage.result("r1")) is not None


@pytest.mark.parametrize(
    ("cut", "told"),
    [
        (acceptance("wait", "r1"), CUT_OFF),
        (evolve(acceptance("wait", "r1", bound=False), request="hash"), ASK_AGAIN),
        (acceptance("wait", "r1", bound=False), TO_THE_CHAT),
    ],
)
async def test_a_caller_whose_turn_a_restart_cuts_is_told_what_becomes_of_it(
    path: MessagePath, cut: Acceptance, told: str
) -> None:
    services = Generation(path=path).services()
    refusals: list[tuple[Failure, str]] = []

    async def caller() -> None:
        with pytest.raises(XopcError) as caught:
            await answer(services, cut)
        refusals.append((caught.value.failure, caught.value.message))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(caller)
        await path.script.begun.wait()
        path.end()
    assert refusals == [(Failure.UNAVAILABLE, told)]


async def test_a_repeated_request_whose_answer_was_deleted_is_not_found(path: MessagePath) -> None:
    services = Generation(path=path).services()
    first = evolve(acceptance("Hello", "r1", bound=False), request="hash")
    await answer(services, first)
    await path.storage.delete_session(KEY)
    with pytest.raises(XopcError, match=ANSWER_IS_GONE) as caught:
        await submit(services, evolve(first, run_id="r2"))
    assert caught.value.failure is Failure.NOT_FOUND


def test_a_message_without_a_key_is_like_no_other() -> None:
    assert dedupe_key(None, "r1") != dedupe_key(None, "r2") != dedupe_key("r2", "r1")
    assert dedupe_key("k1", "r1") == dedupe_key("k1", "r2")
