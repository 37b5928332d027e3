from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import trio
from attrs import evolve

from tests.fakes.path_storage import InlinePath, nothing
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.events import AgentEvent
from xopc.contracts.messages import Address, Inbound, PeerKind
from xopc.contracts.transcript import Message, Role, RunState
from xopc.core.hub import Hub
from xopc.core.inbox import MAX_WAITING, Inbox
from xopc.core.router import Routing, route
from xopc.core.sessions.runs import Runs
from xopc.core.sessions.sessions import NOT_BEGUN, Sessions
from xopc.storage.base import StorageError
from xopc.storage.path.base import Acceptance, Accepted, Cursor, Turn, TurnEnd

KEY = "main:webchat:default:direct:robin"
CURSOR = Cursor("telegram", "default", "4712")


async def answer(turn: Turn, emit: Callable[[AgentEvent], None]) -> TurnEnd:
    return TurnEnd(RunState.DONE, Message(Role.ASSISTANT, f"{turn.inbound.text}!"))


def from_chat(chat: str, text: str = "hello") -> Inbound:
    address = Address("telegram", "default", chat)
    return Inbound(address, PeerKind.GROUP, "42", text, f"telegram:default:{chat}:{text}")


def from_api(run_id: str, *, bound: bool = False, dedupe_key: str | None = None) -> Acceptance:
    address = Address("webchat", "default", "robin")
    inbound = Inbound(address, PeerKind.DIRECT, "robin", f"to {run_id}", dedupe_key or f"api:{run_id}")
    return Acceptance(inbound, KEY, run_id, bound=bound, deliver=False)


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def sessions(storage: InlinePath, runs: Runs) -> Sessions:
    return Sessions(storage, answer, runs, Hub("boot-1"), lambda lanes: None, "boot-1")


@pytest.fixture
def inbox(storage: InlinePath, sessions: Sessions) -> Inbox:
    return Inbox(storage, partial(route, routing=Routing("main")), sessions)


async def test_what_a_channel_has_read_is_stored_with_its_cursor_in_one_commit_and_answered(
    storage: InlinePath, sessions: Sessions, inbox: Inbox
) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(sessions.run)
        storage.disk.commits.clear()
        storage.disk.after_commit = wait_a_little  # so that what is stored can be seen before a worker begins
        accepted = await inbox.accept([from_chat("-1"), from_chat("-2")], CURSOR)
        assert storage.disk.commits == ["accept"]
        assert await storage.cursor("telegram", "default") == "4712"
        for one in accepted:
            assert not one.duplicate
            assert (await sessions.wait(one.run_id)).reply == "hello!"
        nursery.cancel_scope.cancel()
    assert await storage.session("main:telegram:default:group:-1") is not None


async def wait_a_little(_: str) -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_a_cursor_moves_without_messages_too(storage: InlinePath, inbox: Inbox) -> None:
    assert await inbox.accept([], CURSOR) == []
    assert await storage.cursor("telegram", "default") == "4712"


async def test_a_message_that_is_delivered_again_is_known_and_not_answered_twice(
    storage: InlinePath, sessions: Sessions, inbox: Inbox
) -> None:
    (first,) = await inbox.accept([from_chat("-1")])
    (again,) = await inbox.accept([from_chat("-1")])
    assert (again.duplicate, again.run_id) == (True, first.run_id)
    assert sessions.waiting("main:telegram:default:group:-1") == 1


async def test_what_is_not_stored_is_not_accepted(storage: InlinePath, sessions: Sessions, inbox: Inbox) -> None:
    storage.disk.full = True
    with pytest.raises(StorageError):
        await inbox.accept([from_chat("-1")], CURSOR)
    with pytest.raises(StorageError):
        await inbox.submit(from_api("r1"))
    assert not sessions.is_busy(KEY)
    storage.disk.full = False
    assert await storage.cursor("telegram", "default") is None
    assert not (await inbox.submit(from_api("r1"))).duplicate


async def test_a_run_can_be_followed_as_soon_as_it_is_submitted(inbox: Inbox, runs: Runs) -> None:
    await inbox.submit(from_api("r1"))
    assert runs.is_open("r1")


async def test_a_caller_who_sends_the_same_again_has_the_first_run(inbox: Inbox, runs: Runs) -> None:
    await inbox.submit(from_api("r1", dedupe_key="api:key"))
    again = await inbox.submit(from_api("r2", dedupe_key="api:key"))
    assert (again.run_id, again.duplicate) == ("r1", True)
    assert "r2" not in runs


async def test_a_name_that_is_no_session_key_is_refused(inbox: Inbox) -> None:
    with pytest.raises(XopcError) as caught:
        await inbox.submit(evolve(from_api("r1"), session_key="no key"))
    assert caught.value.failure is Failure.INVALID_REQUEST


async def test_callers_of_a_full_session_are_sent_away_and_those_of_others_are_not(
    storage: InlinePath, inbox: Inbox
) -> None:
    outcomes: list[str] = []

    async def submit(number: int) -> None:
        try:
            await inbox.submit(from_api(f"r{number}"))
            outcomes.append("accepted")
        except XopcError as error:
            outcomes.append(f"{error.failure.name}: {error.message}")

    async with trio.open_nursery() as nursery:
        for number in range(MAX_WAITING + 5):
            nursery.start_soon(submit, number)
    assert outcomes.count("accepted") == MAX_WAITING
    refusal = f"UNAVAILABLE: {MAX_WAITING} messages wait in the session {KEY} already. Send this one again later."
    assert outcomes.count(refusal) == 5
    other = evolve(from_api("other"), session_key="main:webchat:default:direct:kim")
    assert not (await inbox.submit(other)).duplicate


async def test_a_channel_is_never_sent_away(sessions: Sessions, inbox: Inbox) -> None:
    await inbox.accept([from_chat("-1", str(number)) for number in range(MAX_WAITING + 5)])
    assert sessions.waiting("main:telegram:default:group:-1") == MAX_WAITING + 5


async def test_a_session_that_was_worked_off_takes_messages_again(
    storage: InlinePath, sessions: Sessions, inbox: Inbox
) -> None:
    for number in range(MAX_WAITING):
        await inbox.submit(from_api(f"r{number}"))
    async with trio.open_nursery() as nursery:
        await nursery.start(sessions.run)
        await sessions.wait(f"r{MAX_WAITING - 1}")
        await inbox.submit(from_api("one more"))
        assert (await sessions.wait("one more")).state is RunState.DONE
        nursery.cancel_scope.cancel()


async def test_nothing_is_submitted_during_a_drain(sessions: Sessions, inbox: Inbox) -> None:
    await sessions.drain()
    with pytest.raises(XopcError) as caught:
        await inbox.submit(from_api("r1"))
    assert caught.value.failure is Failure.UNAVAILABLE


async def test_a_bound_message_that_is_stored_as_the_drain_begins_is_forgotten_again(
    storage: InlinePath, sessions: Sessions, inbox: Inbox
) -> None:
    async def drain(transaction: str) -> None:
        storage.disk.after_commit = nothing
        await sessions.drain()

    storage.disk.after_commit = drain
    for act in (partial(inbox.submit, from_api("r1", bound=True)), partial(sessions.wait, "r1")):
        with pytest.raises(XopcError) as caught:
            await act()
        assert (caught.value.failure, caught.value.message) == (Failure.UNAVAILABLE, NOT_BEGUN)
    assert await storage.result("r1") is None


async def test_what_a_channel_has_read_during_a_drain_is_left_to_the_next_generation(
    storage: InlinePath, sessions: Sessions, inbox: Inbox
) -> None:
    await sessions.drain()
    (accepted,) = await inbox.accept([from_chat("-1")])
    assert await storage.recover("boot-1") == ["main:telegram:default:group:-1"]
    result = await storage.result(accepted.run_id)
    assert result is not None
    assert result.state is RunState.RUNNING


async def test_a_request_that_is_known_is_not_sent_away(storage: InlinePath, sessions: Sessions, inbox: Inbox) -> None:
    first = evolve(from_api("r1", dedupe_key="api:key:a"), request="hash")
    again = evolve(first, run_id="again")
    assert await inbox.known(first) is None
    await inbox.submit(first)
    for number in range(MAX_WAITING - 1):
        await inbox.submit(from_api(f"other {number}"))
    assert await inbox.submit(again) == Accepted("r1", duplicate=True)
    await sessions.drain()
    assert await inbox.submit(again) == Accepted("r1", duplicate=True)
    assert await inbox.known(again) == "r1"
    with pytest.raises(XopcError) as caught:
        await inbox.submit(evolve(again, request="other"))
    assert caught.value.failure is Failure.CONFLICT


async def test_a_bound_turn_that_a_drain_cuts_is_not_gone_on_with(storage: InlinePath, runs: Runs) -> None:
    """Its caller was told to send the message again, and nobody else can ask for the answer."""

    async def think(turn: Turn, emit: Callable[[AgentEvent], None]) -> TurnEnd:
        await trio.sleep_forever()
        return TurnEnd(RunState.DONE, None)

    sessions = Sessions(storage, think, runs, Hub("boot-1"), lambda lanes: None, "boot-1")
    inbox = Inbox(storage, partial(route, routing=Routing("main")), sessions)
    async with trio.open_nursery() as nursery:
        await nursery.start(sessions.run)
        await inbox.submit(from_api("r1", bound=True))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    result = await storage.result("r1")
    assert result is not None
    assert result.state is RunState.INTERRUPTED
    assert await storage.recover("boot-1") == []
