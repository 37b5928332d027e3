from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from xopc.channels.access import Policy
from xopc.channels.telegram.updates import BotIdentity, Dropped, identity, read_update, update_id
from xopc.contracts.messages import Address, Inbound, PeerKind
from xopc.contracts.settings.channels import DmPolicy, GroupPolicy

BOT = BotIdentity("default", 99, "Example_Bot")
OPEN = Policy(dm=DmPolicy.OPEN)
ROBIN = {"id": 7, "first_name": "Robin", "last_name": "Roe", "username": "robin"}


def update(chat: int = 7, **message: object) -> dict[str, Any]:
    kind = "private" if chat > 0 else "supergroup"
    return {
        "update_id": 4711,
        "message": {"message_id": 3, "from": ROBIN, "chat": {"id": chat, "type": kind}, **message},
    }


def heard(chat: int = 7, policy: Policy = OPEN, **message: object) -> Inbound:
    read = read_update(update(chat, **message), BOT, policy)
    assert isinstance(read, Inbound), read
    return read


def dropped(chat: int = 7, policy: Policy = OPEN, **message: object) -> Dropped:
    read = read_update(update(chat, **message), BOT, policy)
    assert isinstance(read, Dropped), read
    return read


def entity(text: str, part: str, kind: str = "mention", **more: object) -> dict[str, Any]:
    """Where `part` stands in `text`, in UTF-16 units."""
    before = text[: text.lower().index(part.lower())]
    return {
        "type": kind,
        "offset": len(before.encode("utf-16-le")) // 2,
        "length": len(part.encode("utf-16-le")) // 2,
        **more,
    }


def mention(text: str, part: str = "@example_bot", kind: str = "mention", **more: object) -> dict[str, Any]:
    return {"text": text, "entities": [entity(text, part, kind, **more)]}


def test_a_private_message_is_one_of_a_person() -> None:
    assert heard(text="Hello") == Inbound(
        address=Address("telegram", "default", "7"),
        peer_kind=PeerKind.DM,
        sender="7",
        text="Hello",
        dedupe_key="telegram:99:update:4711",
        sender_name="Robin Roe",
        message_id="3",
    )


def test_who_may_not_write_is_dropped_with_the_reason() -> None:
    read = dropped(policy=Policy(), text="Hello")
    assert (read.reason, read.chat, read.sender, read.is_denied) == ("unauthorized", "7", "7", True)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"photo": [{"file_id": "a"}]}, "[photo]"),
        ({"photo": [], "caption": "my cat"}, "[photo] my cat"),
        ({"document": {"file_name": "list\n.pdf"}}, "[document: list .pdf]"),
        ({"animation": {}, "document": {"file_name": "a.gif"}}, "[animation]"),
        ({"sticker": {"emoji": "😀"}}, "[sticker: 😀]"),
        ({"voice": {"duration": 3}}, "[voice]"),
        ({"video_note": {}}, "[video note]"),
        ({"location": {"latitude": 52.5, "longitude": 13.4}}, "[location: 52.5, 13.4]"),
        ({"venue": {"title": "Café"}, "location": {}}, "[venue: Café]"),
        ({"contact": {"first_name": "Ada"}}, "[contact: Ada]"),
        ({"poll": {"question": "Tea?"}}, "[poll: Tea?]"),
    ],
)
def test_what_is_no_text_leaves_its_mark(message: dict[str, Any], text: str) -> None:
    assert heard(**message).text == text


@pytest.mark.parametrize("message", [{}, {"new_chat_members": [ROBIN]}, {"pinned_message": {}}, {"text": "  "}])
def test_a_notice_is_for_nobody(message: dict[str, Any]) -> None:
    assert dropped(**message).reason == "no content"


def test_a_group_is_heard_when_it_mentions_the_bot_and_the_mention_is_removed() -> None:
    inbound = heard(-5, **mention("Dear @example_bot how are you?"))
    assert (inbound.text, inbound.peer_kind, inbound.sender) == ("Dear how are you?", PeerKind.GROUP, "7")
    assert inbound.address == Address("telegram", "default", "-5")


def test_a_mention_counts_in_utf_16_units() -> None:
    assert heard(-5, **mention("😀😀 @Example_Bot ok")).text == "😀😀 ok"


def test_the_bot_s_name_alone_is_heard() -> None:
    assert heard(-5, **mention("@example_bot")).text == "@example_bot"


def test_a_mention_in_a_caption_counts() -> None:
    caption = "look @example_bot"
    entities = [entity(caption, "@example_bot")]
    assert heard(-5, photo=[], caption=caption, caption_entities=entities).text == "[photo] look"


def test_a_mention_without_a_name_is_known_by_its_user() -> None:
    assert heard(-5, **mention("hey Helper, go", "Helper", "text_mention", user={"id": 99})).text == "hey , go"
    assert dropped(-5, **mention("hey Ada, go", "Ada", "text_mention", user={"id": 8})).reason == "not-mentioned"


def test_a_reply_to_the_bot_counts_as_a_mention() -> None:
    assert heard(-5, text="yes", reply_to_message={"from": {"id": 99}}).text == "yes"
    assert dropped(-5, text="yes", reply_to_message={"from": {"id": 8}}).reason == "not-mentioned"


def test_being_in_a_topic_that_the_bot_made_is_no_reply_to_it() -> None:
    made = {"from": {"id": 99}, "forum_topic_created": {"name": "News"}}
    assert dropped(-5, text="yes", reply_to_message=made).reason == "not-mentioned"


@pytest.mark.parametrize("text", ["Hello", "Hello @another_bot"])
def test_a_group_that_does_not_mention_the_bot_is_not_heard(text: str) -> None:
    message: dict[str, Any] = mention(text, "@another_bot") if "@" in text else {"text": text}
    read = dropped(-5, **message)
    assert (read.reason, read.is_denied) == ("not-mentioned", False)
    assert heard(-5, Policy(require_mention=False), **message).text == text


def test_a_command_for_the_bot_counts_and_keeps_its_word() -> None:
    assert heard(-5, **mention("/status@example_bot now", "/status@example_bot", "bot_command")).text == "/status now"


def test_a_command_for_another_bot_is_never_heard() -> None:
    message = mention("/status@another_bot", "/status@another_bot", "bot_command")
    assert dropped(-5, Policy(require_mention=False), **message).reason == "for another bot"


def test_a_command_without_a_name_goes_by_the_rules_of_the_group() -> None:
    message = mention("/status", "/status", "bot_command")
    assert dropped(-5, **message).reason == "not-mentioned"
    assert heard(-5, Policy(require_mention=False), **message).text == "/status"
    assert heard(**message).text == "/status"


def test_a_group_that_is_not_admitted_is_dropped() -> None:
    assert dropped(-5, Policy(group=GroupPolicy.DISABLED), text="x").reason == "policy-blocked"


def test_a_topic_of_a_forum_is_a_thread() -> None:
    inbound = heard(-5, Policy(require_mention=False), text="x", message_thread_id=12, is_topic_message=True)
    assert inbound.address.thread == "12"


def test_a_thread_of_replies_is_none() -> None:
    assert heard(-5, Policy(require_mention=False), text="x", message_thread_id=12).address.thread is None


def test_who_writes_as_a_chat_is_named_by_it() -> None:
    inbound = heard(
        -5, Policy(require_mention=False), text="x", **{"from": None, "sender_chat": {"id": -8, "title": "C"}}
    )
    assert (inbound.sender, inbound.sender_name) == ("-8", "C")


def test_an_update_of_another_kind_is_dropped() -> None:
    assert read_update({"update_id": 1, "poll": {}}, BOT, OPEN) == Dropped("no message")


def test_the_bot_knows_itself() -> None:
    assert identity("work", {"id": 99, "username": "Example_Bot"}) == BotIdentity("work", 99, "Example_Bot")
    assert identity("work", {"username": "Example_Bot"}) is None
    assert identity("work", None) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["id", "type", "offset", "length", "user", "from"]), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = ("from", "text", "caption", "entities", "reply_to_message", "photo", "location", "message_thread_id")


@given(st.dictionaries(st.sampled_from(KEYS), JSON), st.sampled_from(["message", "edited_message"]), JSON)
def test_whatever_telegram_sends_is_read_or_dropped(message: dict[str, Any], key: str, number: object) -> None:
    for value in (number, {"update_id": number, key: message}, update(**message)):
        assert isinstance(read_update(value, BOT, OPEN), Inbound | Dropped)
        assert update_id(value) is None or isinstance(update_id(value), int)
