"""From an update of the Bot API to a message for the gateway, as pure functions.

What Telegram sends is taken leniently: a field that is missing or of another kind counts as not there.
https://core.telegram.org/bots/api#update
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from attrs import frozen

from xopc.channels.access import Denial, Policy, check_direct, check_group
from xopc.contracts.messages import Address, Inbound, PeerKind

CHANNEL = "telegram"

JsonObject = dict[str, Any]

_KINDS = (
    "animation",  # before `document`, which comes with it
    "photo",
    "video",
    "video_note",
    "voice",
    "audio",
    "document",
    "sticker",
    "venue",  # before `location`, which comes with it
    "location",
    "contact",
    "poll",
    "dice",
    "story",
    "game",
    "paid_media",
    "checklist",
    "invoice",
)
"""What a message can hold besides text. The rest are notices, such as of a new member, and not for an agent."""
_DETAILS = ("file_name", "emoji", "title", "question", "first_name")


@frozen
class BotIdentity:
    """Who the bot is, from `getMe`."""

    account: str
    id: int
    username: str
    """Without the @."""


@frozen
class Dropped:
    """A message that is not for an agent, and why."""

    reason: str
    chat: str = ""
    sender: str = ""

    @property
    def is_denied(self) -> bool:
        """Somebody wanted something of the bot, and may not."""
        return self.reason in (Denial.UNAUTHORIZED.value, Denial.POLICY_BLOCKED.value, Denial.GROUP_DISABLED.value)


def identity(account: str, me: object) -> BotIdentity | None:
    """The bot that `getMe` describes; None where it describes none."""
    id_ = _integer(me, "id")
    return None if id_ is None else BotIdentity(account, id_, _text(me, "username"))


def update_id(update: object) -> int | None:
    """The number of an update."""
    return _integer(update, "update_id")


def read_update(update: object, bot: BotIdentity, policy: Policy) -> Inbound | Dropped:
    """The message of an update, or why it is none for an agent."""
    message = _object(update, "message")
    chat = _object(message, "chat")
    chat_id, number = _integer(chat, "id"), update_id(update)
    if chat_id is None or number is None:
        return Dropped("no message")
    writer = _object(message, "from") or _object(message, "sender_chat")
    sender = str(_integer(writer, "id") or chat_id)
    text, mentioned = _read_text(message, bot)
    content = " ".join(filter(None, (_marker(message), text)))
    private = _text(chat, "type") == "private"
    if reason := _reason(policy, str(chat_id), sender, content, private=private, mentioned=mentioned):
        return Dropped(reason, str(chat_id), sender)
    thread = _integer(message, "message_thread_id") if message.get("is_topic_message") is True else None
    message_id = _integer(message, "message_id")
    return Inbound(
        address=Address(CHANNEL, bot.account, str(chat_id), None if thread is None else str(thread)),
        peer_kind=PeerKind.DM if private else PeerKind.GROUP,
        sender=sender,
        text=content,
        dedupe_key=f"{CHANNEL}:{bot.id}:update:{number}",
        sender_name=_name(writer),
        message_id=None if message_id is None else str(message_id),
    )


def _reason(
    policy: Policy, chat: str, sender: str, content: str, *, private: bool, mentioned: bool | None
) -> str | None:
    """Why the message is not heard. `mentioned` is None where it is a command for another bot."""
    if mentioned is None:
        return "for another bot"
    if not content:
        return "no content"
    denial: Denial | None
    denial = check_direct(policy, sender) if private else check_group(policy, chat, sender, mentioned=mentioned)
    return denial and denial.value


# --------------------------------------------------------------------- text


def _read_text(message: JsonObject, bot: BotIdentity) -> tuple[str, bool | None]:
    """What was written, without the bot's name, and whether it was meant for the bot; None if for another bot."""
    key = "text" if _text(message, "text") else "caption"
    # Entities count in UTF-16 units.
    units = _text(message, key).encode("utf-16-le", "surrogatepass")
    entities = message.get("entities" if key == "text" else "caption_entities")
    mentioned = _is_reply_to(message, bot)
    cuts: list[tuple[int, int]] = []
    for entity in _objects(entities):
        start, length = _integer(entity, "offset") or 0, _integer(entity, "length") or 0
        marked = units[2 * start : 2 * (start + length)].decode("utf-16-le", "replace")
        kind = _text(entity, "type")
        name = marked.partition("@")[2].lower()
        if kind == "bot_command" and name and name != bot.username.lower():
            return "", None
        by_id = kind == "text_mention" and _integer(_object(entity, "user"), "id") == bot.id
        by_name = kind in ("mention", "bot_command") and bool(name) and name == bot.username.lower()
        if by_id or by_name:
            mentioned = True
            kept = len(marked.partition("@")[0].encode("utf-16-le")) // 2 if kind == "bot_command" else 0
            cuts.append((start + kept, start + length))
    # Who writes the bot's name alone wants something of it.
    return _without(units, cuts) or _decoded(units), mentioned


def _without(units: bytes, cuts: list[tuple[int, int]]) -> str:
    for start, end in sorted(cuts, reverse=True):
        units = units[: 2 * start] + units[2 * end :]
    return re.sub(r"(?<=\S) {2,}(?=\S)", " ", _decoded(units)) if cuts else _decoded(units)


def _decoded(units: bytes) -> str:
    return units.decode("utf-16-le", "replace").strip()


def _is_reply_to(message: JsonObject, bot: BotIdentity) -> bool:
    replied = _object(message, "reply_to_message")
    # In a topic, each message is a reply to the notice that made it.
    return _integer(_object(replied, "from"), "id") == bot.id and "forum_topic_created" not in replied


def _marker(message: JsonObject) -> str:
    """What the message holds besides text, such as `[photo]` or `[document: list.pdf]`: nothing is silently lost."""
    for kind in _KINDS:
        if kind in message:
            held = _object(message, kind)
            detail = next((text for key in _DETAILS if (text := _text(held, key))), "")
            if kind == "location":
                detail = f"{held.get('latitude')}, {held.get('longitude')}"
            name = kind.replace("_", " ")
            return f"[{name}: {' '.join(detail.split())[:200]}]" if detail else f"[{name}]"
    return ""


def _name(writer: JsonObject) -> str | None:
    full = " ".join(filter(None, (_text(writer, "first_name"), _text(writer, "last_name"))))
    return full or _text(writer, "title") or _text(writer, "username") or None


# ------------------------------------------------------------------- fields


def _object(value: object, key: str) -> JsonObject:
    found = cast("JsonObject", value).get(key) if isinstance(value, dict) else None
    return cast("JsonObject", found) if isinstance(found, dict) else {}


def _objects(value: object) -> Iterator[object]:
    yield from cast("list[object]", value) if isinstance(value, list) else ()


def _text(value: object, key: str) -> str:
    found = cast("JsonObject", value).get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def _integer(value: object, key: str) -> int | None:
    found = cast("JsonObject", value).get(key) if isinstance(value, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None
