from __future__ import annotations

from functools import partial

import pytest
from attrs import evolve

from xopc.contracts.cron import (
    DeliveryMode,
    Job,
    JobDelivery,
    Payload,
    PayloadKind,
    Schedule,
    ScheduleKind,
    SessionTarget,
)
from xopc.contracts.keys import SessionKey
from xopc.contracts.messages import Address, Inbound, PeerKind
from xopc.core.cron.placing import answer_address, place
from xopc.core.router import Routing, route

JOB = Job("5f0c", Schedule(ScheduleKind.CRON, "0 9 * * *"), Payload(PayloadKind.AGENT_TURN, "Hello"), 0, 0)
CHAT = JobDelivery(channel="telegram", to="-100")


def accounts(channel: str) -> tuple[str, ...]:
    return {"telegram": ("default", "work"), "pigeons": ("home", "work")}.get(channel, ())


def kind(channel: str, chat: str) -> PeerKind:
    return PeerKind.GROUP if chat.startswith("-") else PeerKind.DIRECT


routed = partial(route, routing=Routing("main"))
placed = partial(place, dedupe_key="key", accounts=accounts, kind=kind, route=routed)


def test_an_isolated_job_has_its_own_session_and_answers_to_its_chat() -> None:
    place = placed(evolve(JOB, session_target=SessionTarget.ISOLATED, delivery=CHAT))
    assert place.session_key == "cron:5f0c"
    assert place.answer_to == Address("telegram", "default", "-100")
    assert place.inbound == Inbound(Address("cron", "default", "5f0c"), PeerKind.DIRECT, "5f0c", "Hello", "key")


def test_a_job_of_the_main_session_speaks_in_that_of_its_chat() -> None:
    place = placed(evolve(JOB, delivery=CHAT))
    assert place.session_key == "main:telegram:default:group:-100"
    assert place.answer_to == place.inbound.address == Address("telegram", "default", "-100")


def test_without_a_chat_it_speaks_in_a_session_of_the_command_line_and_nothing_is_sent() -> None:
    place = placed(JOB)
    assert (place.session_key, place.answer_to) == ("main:cli:default:direct:cron", None)


def test_a_job_that_delivers_nothing_still_speaks_in_the_session_of_its_chat() -> None:
    place = placed(evolve(JOB, delivery=evolve(CHAT, mode=DeliveryMode.NONE)))
    assert (place.session_key, place.answer_to) == ("main:telegram:default:group:-100", None)


@pytest.mark.parametrize(
    ("channel", "account"),
    [("telegram", "default"), ("pigeons", "home"), ("off", "default")],
)
def test_the_account_is_the_default_one_or_the_first(channel: str, account: str) -> None:
    address = answer_address(evolve(JOB, delivery=JobDelivery(channel=channel, to="7")), accounts)
    assert address == Address(channel, account, "7")


def test_an_account_that_is_named_sends_the_answer_and_has_the_session() -> None:
    delivery = JobDelivery(channel="pigeons", to="7", account="away")
    assert answer_address(evolve(JOB, delivery=delivery), accounts) == Address("pigeons", "away", "7")
    place = placed(evolve(JOB, delivery=evolve(delivery, mode=DeliveryMode.NONE)))
    assert place.inbound.address == Address("pigeons", "away", "7")


def test_nothing_is_sent_to_the_command_line() -> None:
    assert answer_address(evolve(JOB, delivery=JobDelivery(channel="cli", to="cron")), accounts) is None


def test_what_a_clock_says_is_told_from_what_a_person_says() -> None:
    event = evolve(JOB, payload=Payload(PayloadKind.SYSTEM_EVENT, "Rain is coming"))
    assert placed(event).inbound.text == "[Scheduled: 5f0c] Rain is coming"
    assert placed(evolve(event, name="Weather")).inbound.text == "[Scheduled: Weather] Rain is coming"


def test_the_route_is_asked_for_the_chat() -> None:
    seen: list[Inbound] = []

    def remember(inbound: Inbound) -> SessionKey:
        seen.append(inbound)
        return routed(inbound)

    place(evolve(JOB, delivery=CHAT), "key", accounts, kind, remember)
    assert [(inbound.peer_kind, inbound.sender) for inbound in seen] == [(PeerKind.GROUP, "-100")]
