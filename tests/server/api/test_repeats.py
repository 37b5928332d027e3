from __future__ import annotations

import pytest
from attrs import evolve

from xopc.contracts.api.messages import AgentRequest, BusyPolicy, SyncRequest
from xopc.server.api.repeats import agent_request, sync_request

TO_AGENT = AgentRequest("Hello")
TO_CHAT = SyncRequest("telegram", "5", "Hello")


@pytest.mark.parametrize(
    "same",
    [
        AgentRequest("Hello", session="default"),
        AgentRequest("Hello", on_busy=BusyPolicy.REJECT),
        AgentRequest("Hello", idempotency_key="k1"),
    ],
)
def test_how_and_whether_a_caller_waits_makes_no_other_request(same: AgentRequest) -> None:
    assert agent_request(same) == agent_request(TO_AGENT)


def test_a_new_session_is_one_whatever_the_session_is_called() -> None:
    new = AgentRequest("Hello", new_session=True)
    assert agent_request(evolve(new, session="notes")) == agent_request(new) != agent_request(TO_AGENT)


@pytest.mark.parametrize(
    "other",
    [
        AgentRequest("Bye"),
        AgentRequest("Hello", session="notes"),
        AgentRequest("Hello", channel="cli"),
        AgentRequest("Hello", agent_id="coder"),
        AgentRequest("Hello", model="a/b"),
    ],
)
def test_whatever_else_an_agent_is_told_makes_another_request(other: AgentRequest) -> None:
    assert agent_request(other) != agent_request(TO_AGENT)


@pytest.mark.parametrize(
    "same",
    [
        SyncRequest("telegram", 5, "Hello"),
        SyncRequest("telegram", " 5 ", "Hello", reply_to_message_id=7, silent=True),
        SyncRequest("telegram", "5", "Hello", deliver=True, idempotency_key="k1"),
    ],
)
def test_an_id_is_the_same_as_a_number_and_as_a_text(same: SyncRequest) -> None:
    assert sync_request(same) == sync_request(TO_CHAT)


@pytest.mark.parametrize(
    "other",
    [
        evolve(TO_CHAT, channel="pigeons"),
        evolve(TO_CHAT, chat_id=6),
        evolve(TO_CHAT, content="Bye \ud83d"),
        evolve(TO_CHAT, account_id="work"),
        evolve(TO_CHAT, thread_id=7),
        evolve(TO_CHAT, deliver=False),
    ],
)
def test_whatever_else_a_chat_says_makes_another_request(other: SyncRequest) -> None:
    assert sync_request(other) != sync_request(TO_CHAT)


def test_the_same_words_to_an_agent_and_to_a_chat_are_two_requests() -> None:
    assert sync_request(TO_CHAT) != agent_request(TO_AGENT)
