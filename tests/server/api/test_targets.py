from __future__ import annotations

import pytest

from xopc.channels.webchat import Webchat
from xopc.contracts.api.messages import AgentRequest, MessageRequest
from xopc.contracts.errors import Failure, InvalidValueError, XopcError
from xopc.contracts.keys import SessionKey
from xopc.contracts.messages import Address, PeerKind
from xopc.contracts.settings.file import AgentEntry, AgentsSettings
from xopc.server.api.targets import address_of, enabled_agent, new_peer, peer_kind, session_target

AGENTS = AgentsSettings(
    default="coder", list=(AgentEntry("main"), AgentEntry("coder"), AgentEntry("old", enabled=False))
)


class Telegraph(Webchat):
    id = "telegraph"

    def __init__(self, *accounts: str) -> None:
        self._accounts = accounts

    def accounts(self) -> tuple[str, ...]:
        return self._accounts


CHANNELS = {"webchat": Webchat(), "telegraph": Telegraph("personal", "work"), "off": Telegraph()}


def ask(session: str | None = None, agent_id: str | None = None, *, new_session: bool = False) -> AgentRequest:
    return AgentRequest("hi", session=session, agent_id=agent_id, new_session=new_session)


# sessions


@pytest.mark.parametrize(
    ("request_", "key", "name"),
    [
        (ask(), "coder:webchat:default:direct:default", "default"),
        (ask("Notes"), "coder:webchat:default:direct:notes", "Notes"),
        (ask("notes", "main"), "main:webchat:default:direct:notes", "notes"),
        (ask("notes", "MAIN"), "main:webchat:default:direct:notes", "notes"),
        (ask("main:telegram:personal:dm:123"), "main:telegram:personal:dm:123", "main:telegram:personal:dm:123"),
        (ask("agent:main:a:b:dm:c"), "main:a:b:dm:c", "agent:main:a:b:dm:c"),
        (ask("main:telegram:x:group:-100:thread:4", "main"), "main:telegram:x:group:-100:thread:4", None),
        (ask("cron.job"), "coder:webchat:default:direct:cron-job-", None),
    ],
)
def test_a_key_is_taken_as_it_is_and_a_name_becomes_a_peer(request_: AgentRequest, key: str, name: str | None) -> None:
    target = session_target(request_, AGENTS)
    assert str(target.key).startswith(key)
    assert target.name == (name or request_.session)
    assert target.address.channel == target.key.source


def test_the_address_of_a_key_is_what_the_key_says() -> None:
    target = session_target(ask("main:telegram:x:group:-100:thread:4"), AGENTS)
    assert target.address == Address("telegram", "x", "-100", "4")
    assert target.kind is PeerKind.GROUP


def test_a_kind_that_is_none_counts_as_direct() -> None:
    assert session_target(ask("main:a:b:odd:c"), AGENTS).kind is PeerKind.DIRECT


def test_a_new_session_is_a_new_one_each_time_and_can_be_named_again() -> None:
    first, second = [session_target(ask("main:a:b:dm:c", new_session=True), AGENTS) for _ in range(2)]
    assert first.key != second.key
    assert first.key.peer.startswith("chat_")
    assert session_target(ask(first.name), AGENTS).key == first.key
    assert new_peer() != new_peer()


@pytest.mark.parametrize("agent_id", ["old", "nobody", ""])
def test_an_agent_that_is_not_enabled_is_refused_where_it_is_named(agent_id: str) -> None:
    with pytest.raises(InvalidValueError, match=r"\$\.agentId: names no enabled agent"):
        session_target(ask("notes", agent_id), AGENTS)


def test_the_agent_of_a_key_has_to_be_enabled_too() -> None:
    with pytest.raises(InvalidValueError, match=r"\$\.session: names no enabled agent"):
        session_target(ask("old:a:b:dm:c"), AGENTS)


def test_a_key_and_another_agent_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"\$\.agentId: the session belongs to the agent main"):
        session_target(ask("main:a:b:dm:c", "coder"), AGENTS)


def test_without_a_list_the_agent_is_main() -> None:
    assert enabled_agent(None, AgentsSettings(), "$.agentId") == "main"
    assert enabled_agent("main", AgentsSettings(), "$.agentId") == "main"


# channels


@pytest.mark.parametrize(
    ("request_", "address"),
    [
        (MessageRequest("webchat", "a", "hi"), Address("webchat", "default", "a")),
        (MessageRequest("telegraph", "a", "hi"), Address("telegraph", "personal", "a")),
        (MessageRequest("telegraph", -100, "hi", "work", 4), Address("telegraph", "work", "-100", "4")),
        (MessageRequest("telegraph", " a ", "hi"), Address("telegraph", "personal", "a")),
        (MessageRequest("webchat", "a" * 256, "hi"), Address("webchat", "default", "a" * 256)),
    ],
)
def test_a_message_goes_to_an_account_of_its_channel(request_: MessageRequest, address: Address) -> None:
    assert address_of(request_, CHANNELS) == address


@pytest.mark.parametrize("channel", ["off", "carrier-pigeon", "", "WEBCHAT"])
def test_a_channel_that_is_unknown_or_has_no_account_is_not_found(channel: str) -> None:
    with pytest.raises(XopcError, match=r"There are: telegraph, webchat\.") as caught:
        address_of(MessageRequest(channel, "a", "hi"), CHANNELS)
    assert caught.value.failure is Failure.CHANNEL_NOT_FOUND


def test_an_unknown_account_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"\$\.accountId: .* personal, work"):
        address_of(MessageRequest("telegraph", "a", "hi", "nobody"), CHANNELS)


@pytest.mark.parametrize(
    ("channel", "chat", "kind"),
    [
        ("webchat", "-5", PeerKind.DIRECT),
        ("unknown", "-5", PeerKind.DIRECT),
        ("telegraph", "5", PeerKind.DM),
        ("telegraph", "-5", PeerKind.GROUP),
    ],
)
def test_a_chat_s_id_tells_what_it_is(channel: str, chat: str, kind: PeerKind) -> None:
    assert peer_kind(channel, chat, CHANNELS) is kind


def test_the_session_of_a_job_is_taken_whole_and_is_the_default_agent_s() -> None:
    target = session_target(ask("cron:1a2b3c4d"), AGENTS)
    assert (str(target.key), target.address) == ("cron:1a2b3c4d", Address("cron", "default", "1a2b3c4d"))
    with pytest.raises(InvalidValueError, match=r"\$\.agentId: .* whichever agent is the default"):
        session_target(ask("cron:1a2b3c4d", agent_id="main"), AGENTS)


def test_the_key_of_a_target_can_be_parsed_again() -> None:
    target = session_target(ask("Ann @ home".replace(" ", "")), AGENTS)
    assert SessionKey.parse(str(target.key)) == target.key
