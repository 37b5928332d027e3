from __future__ import annotations

import pytest
import trio

from tests.fakes.generation import Generation
from tests.fakes.message_path import MessagePath
from xopc.contracts.errors import Failure, InvalidValueError, XopcError
from xopc.contracts.messages import Address, Inbound, PeerKind
from xopc.contracts.transcript import RunResult, RunState
from xopc.server.api.turns import (
    answer,
    checked_content,
    idempotency_key,
    spoken,
    status_of,
    submit,
    succeeded,
)
from xopc.storage.path import Acceptance

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
