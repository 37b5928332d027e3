from __future__ import annotations

from typing import Any

import pytest

from xopc.contracts.convert import structure
from xopc.contracts.messages import Address, Inbound, PeerKind
from xopc.contracts.settings.file import Settings
from xopc.core.router import Routing, main_session, route


def routing(**settings: object) -> Routing:
    return Routing.of(structure(settings, Settings))


def dm(sender: str = "42", channel: str = "telegram", account: str = "default", thread: str | None = None) -> Inbound:
    return Inbound(Address(channel, account, sender, thread), PeerKind.DM, sender, "hello", "key")


def in_group(chat: str = "-100123", thread: str | None = None, kind: PeerKind = PeerKind.GROUP) -> Inbound:
    return Inbound(Address("telegram", "personal", chat, thread), kind, "42", "hello", "key")


def session(inbound: Inbound, **settings: object) -> str:
    return str(route(inbound, routing(**settings)))


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        (None, "main:main:default:dm:main"),
        ("main", "main:main:default:dm:main"),
        ("per-peer", "main:dm:default:dm:42"),
        ("per-channel-peer", "main:telegram:default:dm:42"),
        ("per-account-channel-peer", "main:telegram:personal:dm:42"),
    ],
)
def test_private_chats_share_a_session_as_the_scope_says(scope: str | None, key: str) -> None:
    assert session(dm(account="personal"), session={"dmScope": scope} if scope else {}) == key


def test_a_thread_of_a_private_chat_is_not_a_session_of_its_own() -> None:
    settings = {"dmScope": "per-channel-peer"}
    assert session(dm(thread="7"), session=settings) == session(dm(), session=settings)


@pytest.mark.parametrize("scope", ["main", "per-peer", "per-account-channel-peer"])
def test_a_group_has_its_own_session_whatever_the_scope(scope: str) -> None:
    assert session(in_group(), session={"dmScope": scope}) == "main:telegram:personal:group:-100123"


def test_each_thread_of_a_group_has_its_own_session() -> None:
    assert session(in_group(thread="7")) == "main:telegram:personal:group:-100123:thread:7"
    assert session(in_group(kind=PeerKind.CHANNEL)) == "main:telegram:personal:channel:-100123"


def test_a_chat_of_the_console_keeps_its_own_session() -> None:
    inbound = Inbound(Address("webchat", "default", "chat_1"), PeerKind.DIRECT, "robin", "hello", "key")
    assert session(inbound) == "main:webchat:default:direct:chat_1"


def test_two_peers_whose_ids_clean_to_the_same_do_not_share_a_session() -> None:
    settings = {"dmScope": "per-peer"}
    one, two = session(dm("a@b"), session=settings), session(dm("a.b"), session=settings)
    assert one != two
    assert one.startswith("main:dm:default:dm:a-b-")


# ------------------------------------------------------------------ bindings

AGENTS = {"list": [{"id": "helper"}, {"id": "coder"}, {"id": "asleep", "enabled": False}]}


def bound(*bindings: dict[str, Any], inbound: Inbound) -> str:
    return route(inbound, routing(agents=AGENTS, bindings=list(bindings))).agent


@pytest.mark.parametrize(
    ("match", "inbound", "agent"),
    [
        ({"channel": "Telegram"}, dm(), "coder"),
        ({"channel": "feishu"}, dm(), "helper"),
        ({"channel": "telegram", "accountId": "work*"}, dm(account="work-2"), "coder"),
        ({"channel": "telegram", "accountId": "work*"}, dm(account="network"), "helper"),
        ({"channel": "telegram", "peerKind": "group"}, in_group(), "coder"),
        ({"channel": "telegram", "peerKind": "group"}, dm(), "helper"),
        ({"channel": "telegram", "peerId": "-100*"}, in_group(), "coder"),
        ({"channel": "telegram", "peerId": "4.2"}, dm("4x2"), "helper"),
        ({"channel": "telegram", "peerId": "42"}, dm("42"), "coder"),
        ({"channel": "telegram", "peerId": "42"}, in_group(), "helper"),
        ({"channel": "telegram", "guildId": "g1"}, dm(), "helper"),
        ({"channel": "telegram", "teamId": "t1"}, dm(), "helper"),
        ({"channel": "telegram", "memberRoleIds": ["r1"]}, dm(), "helper"),
    ],
)
def test_a_binding_takes_the_messages_for_which_all_of_it_holds(
    match: dict[str, Any], inbound: Inbound, agent: str
) -> None:
    assert bound({"agentId": "coder", "match": match}, inbound=inbound) == agent


def test_the_binding_with_the_highest_priority_counts_and_of_equals_the_first() -> None:
    every = {"channel": "telegram"}
    low, first, second = (
        {"agentId": "helper", "match": every, "priority": 99},
        {"agentId": "coder", "match": every},
        {"agentId": "helper", "match": every},
    )
    assert bound(low, first, second, inbound=dm()) == "coder"
    assert bound(low, second, first, inbound=dm()) == "helper"


def test_a_disabled_binding_is_as_if_it_were_not_there() -> None:
    binding = {"agentId": "coder", "match": {"channel": "telegram"}, "enabled": False}
    assert bound(binding, inbound=dm()) == "helper"


@pytest.mark.parametrize("agent", ["asleep", "nobody"])
def test_a_binding_to_an_agent_that_there_is_not_is_one_to_the_default_with_a_warning(agent: str) -> None:
    every = {"channel": "telegram"}
    rules = routing(
        agents=AGENTS,
        bindings=[
            {"agentId": "coder", "match": every, "priority": 1},
            {"agentId": agent, "match": every, "priority": 2},
        ],
    )
    assert route(dm(), rules).agent == "helper"
    (warning,) = rules.warnings
    assert warning == (
        f'$.bindings[1].agentId: there is no enabled agent "{agent}", so "helper" answers. There are helper, coder.'
    )


# ------------------------------------------------------------ identity links


def linked(inbound: Inbound, **links: list[str]) -> str:
    return session(inbound, session={"dmScope": "per-peer", "identityLinks": links}).rpartition(":")[2]


def test_the_ids_of_one_person_lead_to_one_session() -> None:
    links = {"robin": ["telegram:42", "Feishu:OU_x"]}
    assert linked(dm("42"), **links) == "robin"
    assert linked(dm("ou_X", channel="feishu"), **links) == "robin"
    assert linked(dm("42", channel="feishu"), **links) == "42"


def test_a_bare_id_holds_on_each_channel_but_the_id_of_a_channel_goes_first() -> None:
    links = {"robin": ["42"], "kim": ["feishu:42"]}
    assert linked(dm("42"), **links) == "robin"
    assert linked(dm("42", channel="feishu"), **links) == "kim"


def test_an_id_that_is_linked_to_two_names_is_linked_to_none_with_a_warning() -> None:
    rules = routing(session={"dmScope": "per-peer", "identityLinks": {"robin": ["42"], "kim": ["42", "telegram:7"]}})
    assert route(dm("42"), rules).peer == "42"
    assert route(dm("7"), rules).peer == "kim"
    assert rules.warnings == (
        '$.session.identityLinks: "42" is linked to several names, so it has no effect. Keep one.',
    )


def test_an_id_cannot_pass_for_one_of_another_channel() -> None:
    assert linked(dm("telegram:42", channel="webhook"), robin=["telegram:42"]) != "robin"


def test_links_do_not_touch_groups() -> None:
    inbound = in_group("42")
    assert session(inbound, session={"identityLinks": {"robin": ["42"]}}) == "main:telegram:personal:group:42"


def test_the_main_session_is_that_of_the_default_agents_private_chats() -> None:
    assert str(main_session(Routing("robin"))) == "robin:main:default:dm:main"
