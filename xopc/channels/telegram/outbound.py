"""One part of an answer to Telegram: what is asked of the Bot API, and what became of it."""

from __future__ import annotations

from attrs import evolve, frozen

from xopc.channels.telegram.api import Api, ApiError, UnreachableError
from xopc.channels.telegram.format import plain
from xopc.contracts.messages import Delivery, Failed, Outbound, Retry, Sent, Unknown
from xopc.contracts.settings.channels import ReplyToMode

MAX_TRIES = 4
"""As it is, and once more for each thing that can be mended."""
TOKEN_PAUSE_SECONDS = 300.0
"""Between tries with a token that Telegram refuses: only a person can mend that."""


@frozen
class _Request:
    """A `sendMessage`."""

    chat: str
    html: str
    thread: str | None
    reply_to: str | None
    silent: bool
    as_html: bool = True

    def parameters(self) -> dict[str, object]:
        parameters: dict[str, object] = {
            "chat_id": _number_or_name(self.chat),
            "text": self.html if self.as_html else plain(self.html),
        }
        if self.as_html:
            parameters["parse_mode"] = "HTML"
        if self.thread is not None and self.thread.isdecimal():
            parameters["message_thread_id"] = int(self.thread)
        if self.reply_to is not None and self.reply_to.isdecimal():
            # A message that was deleted meanwhile is answered all the same.
            parameters["reply_parameters"] = {"message_id": int(self.reply_to), "allow_sending_without_reply": True}
        if self.silent:
            parameters["disable_notification"] = True
        return parameters


async def send_part(api: Api, outbound: Outbound, html: str, *, part: int, mode: ReplyToMode) -> Delivery:
    """Send one rendered part of a message. What Telegram does not like about it is mended where that is possible."""
    quotes = mode is ReplyToMode.ALL or (mode is ReplyToMode.FIRST and part == 0)
    request: _Request | None = _Request(
        chat=outbound.address.chat,
        html=html,
        thread=outbound.address.thread,
        reply_to=outbound.reply_to if quotes else None,
        silent=outbound.silent,
    )
    delivery: Delivery = Failed("nothing was sent")
    for _ in range(MAX_TRIES):
        if request is None:
            break
        try:
            return _sent(await api.call("sendMessage", request.parameters()))
        except UnreachableError as error:
            return Unknown(str(error)) if error.may_have_arrived else Retry(str(error))
        except ApiError as error:
            delivery = classify(error, request.chat)
            request = _mended(request, error)
    return delivery


def classify(error: ApiError, chat: str) -> Delivery:
    """What an answer of the Bot API means for a message."""
    what = str(error)
    if error.code == 429:
        # Telegram does not say whether it is the chat's limit or the bot's. Only groups have one of their own that is
        # reached easily (20 messages a minute); the rest counts for all chats of the bot.
        return Retry(what, after_seconds=error.retry_after, whole_account=not chat.startswith(("-", "@")))
    if error.code >= 500:
        return Retry(what)
    if error.code in (401, 404):
        # The token is wrong or was revoked (404: of a wrong form). The message waits for a good one.
        cure = "Telegram refuses the bot's token: set botToken to the one that @BotFather shows"
        return Retry(f"{what}. {cure}", after_seconds=TOKEN_PAUSE_SECONDS, whole_account=True, until_changed=True)
    return Failed(what)


def _mended(request: _Request, error: ApiError) -> _Request | None:
    """The request without what Telegram did not like; None where nothing can be done."""
    if error.code != 400:
        return None
    text = error.description.lower()
    if error.moved_to is not None and error.moved_to != request.chat:
        return evolve(request, chat=error.moved_to)
    if "can't parse entities" in text and request.as_html:
        return evolve(request, as_html=False)
    if "thread not found" in text and request.thread is not None:
        return evolve(request, thread=None)
    if "message to be replied not found" in text and request.reply_to is not None:
        return evolve(request, reply_to=None)
    return None


def _sent(result: object) -> Sent:
    match result:
        case {"message_id": int(message_id)}:
            return Sent(str(message_id))
        case _:
            return Sent()


def _number_or_name(chat: str) -> int | str:
    """Chats are numbers, and public ones may be addressed as `@name`."""
    return int(chat) if chat.removeprefix("-").isdecimal() else chat
