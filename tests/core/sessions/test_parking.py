from __future__ import annotations

import pytest
from attrs import evolve

from xopc.contracts.messages import Address, Inbound, Outbound, PeerKind
from xopc.contracts.transcript import RunState
from xopc.core.sessions.parking import APOLOGY, MAX_ATTEMPTS, is_given_up, is_last_attempt, parked, parked_untold
from xopc.storage.path.base import Head, Turn, TurnEnd

KEY = "main:telegram:default:dm:1"
CHAT = Address("telegram", "default", "1")


def turn(attempts: int = MAX_ATTEMPTS, *, deliver: bool = True, kind: PeerKind = PeerKind.DM) -> Turn:
    inbound = Inbound(CHAT, kind, "1", "hello", "key", message_id="17")
    return Turn("r1", KEY, inbound, deliver, False, None, (), attempts, "It broke.")


@pytest.mark.parametrize(("attempts", "last", "over"), [(0, False, False), (1, False, False), (2, True, False)])
def test_the_third_attempt_is_the_last(attempts: int, last: bool, over: bool) -> None:
    assert is_last_attempt(Head(attempts, is_held=False)) is last
    assert is_given_up(turn(attempts)) is over
    assert is_given_up(turn(3))


def test_what_is_given_up_says_why_and_apologizes_to_its_chat() -> None:
    end = parked(turn())
    assert (end.state, end.message, end.parked) == (RunState.FAILED, None, True)
    assert end.outbox == (Outbound(CHAT, APOLOGY),)
    assert end.error == "Given up after 3 attempts: It broke. To try it again: xopc inbox retry r1"


def test_in_a_group_the_apology_answers_the_message() -> None:
    assert parked(turn(kind=PeerKind.GROUP)).outbox == (Outbound(CHAT, APOLOGY, reply_to="17"),)


def test_nothing_is_sent_where_no_answer_would_be() -> None:
    assert parked(turn(deliver=False)).outbox == ()


def test_a_beat_that_is_given_up_bothers_nobody() -> None:
    beat = evolve(turn(), inbound=evolve(turn().inbound, dedupe_key="heartbeat:r1"))
    end = parked(beat)
    assert (end.outbox, end.parked) == ((), True)


def test_of_what_cannot_be_read_nobody_is_told() -> None:
    error = "Given up after 3 attempts: Nobody knows why. To try it again: xopc inbox retry r1"
    assert parked_untold("r1", None) == TurnEnd(RunState.FAILED, None, error=error, parked=True)
