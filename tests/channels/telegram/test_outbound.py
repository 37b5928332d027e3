from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.fakes.telegram_server import TOKEN, BotApi, serving
from xopc.channels.telegram.api import Api, ApiError, open_api
from xopc.channels.telegram.outbound import classify, send_part
from xopc.contracts.messages import Address, Delivery, Failed, Outbound, Retry, Sent, Unknown
from xopc.contracts.settings.channels import ReplyToMode


@pytest.fixture
async def bot_api() -> AsyncGenerator[BotApi]:
    async with serving(BotApi(chats={7, -100})) as bot_api:
        yield bot_api


@pytest.fixture
async def api(bot_api: BotApi) -> AsyncGenerator[Api]:
    api = await open_api(bot_api.root, TOKEN)
    yield api
    await api.aclose()


def to(chat: str = "7", thread: str | None = None, reply_to: str | None = None, *, silent: bool = False) -> Outbound:
    return Outbound(Address("telegram", "default", chat, thread), "Hi", reply_to=reply_to, silent=silent)


async def send(api: Api, outbound: Outbound, html: str = "Hi", part: int = 0) -> Delivery:
    return await send_part(api, outbound, html, part=part, mode=ReplyToMode.FIRST)


async def test_a_part_goes_out_as_html_and_its_id_comes_back(api: Api, bot_api: BotApi) -> None:
    delivery = await send(api, to(silent=True), "<b>a</b> &lt; b")
    (message,) = bot_api.sent
    assert delivery == Sent(str(message["message_id"]))
    assert (message["chat_id"], message["text"], message["disable_notification"]) == (7, "a < b", True)


@pytest.mark.parametrize(
    ("mode", "part", "quotes"),
    [
        (ReplyToMode.OFF, 0, False),
        (ReplyToMode.FIRST, 0, True),
        (ReplyToMode.FIRST, 1, False),
        (ReplyToMode.ALL, 0, True),
        (ReplyToMode.ALL, 1, True),
    ],
)
async def test_which_parts_quote_the_message(
    api: Api, bot_api: BotApi, mode: ReplyToMode, part: int, quotes: bool
) -> None:
    await send_part(api, to(reply_to="3"), "Hi", part=part, mode=mode)
    quote = {"message_id": 3, "allow_sending_without_reply": True}
    assert bot_api.sent[0].get("reply_parameters") == (quote if quotes else None)


async def test_a_topic_of_a_forum_is_named(api: Api, bot_api: BotApi) -> None:
    bot_api.threads.add(5)
    assert isinstance(await send(api, to("-100", thread="5")), Sent)
    assert bot_api.sent[0]["message_thread_id"] == 5


async def test_without_its_topic_a_message_goes_to_the_group(api: Api, bot_api: BotApi) -> None:
    assert isinstance(await send(api, to("-100", thread="6")), Sent)
    assert "message_thread_id" not in bot_api.sent[0]


async def test_html_that_telegram_cannot_read_goes_out_as_text(api: Api, bot_api: BotApi) -> None:
    assert isinstance(await send(api, to(), "<b>a</b> <blink>&lt;"), Sent)
    assert bot_api.sent[0]["text"] == "a <"
    assert "parse_mode" not in bot_api.sent[0]


async def test_a_group_that_was_upgraded_is_followed_once(api: Api, bot_api: BotApi) -> None:
    bot_api.migrated = {-5: -100, -6: -6}
    assert isinstance(await send(api, to("-5")), Sent)
    assert bot_api.sent[0]["chat"] == -100
    assert isinstance(await send(api, to("-6")), Failed)


async def test_all_that_can_be_mended_is_mended_in_one_send(api: Api, bot_api: BotApi) -> None:
    bot_api.migrated = {-5: -100}
    bot_api.fail("sendMessage", status=400, description="Bad Request: message to be replied not found")
    assert isinstance(await send(api, to("-5", thread="9", reply_to="1"), "<u>"), Failed)
    assert isinstance(await send(api, to("-5", thread="9"), "<u>x"), Sent)
    assert len(bot_api.sent) == 1


@pytest.mark.parametrize(
    ("outbound", "error"),
    [
        (to("8"), "chat not found"),
        (to("@nobody"), "chat not found"),
        (to("9"), "blocked by the user"),
    ],
)
async def test_what_will_never_be_sent_has_failed(api: Api, bot_api: BotApi, outbound: Outbound, error: str) -> None:
    bot_api.blocked.add(9)
    delivery = await send(api, outbound)
    assert isinstance(delivery, Failed)
    assert error in delivery.error


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_a_connection_that_breaks_leaves_it_open_whether_it_was_sent(api: Api, bot_api: BotApi, cut: str) -> None:
    bot_api.fail("sendMessage", cut=cut)
    assert isinstance(await send(api, to()), Unknown)
    assert len(bot_api.sent) == (cut == "after")


async def test_a_telegram_that_is_not_there_is_tried_again() -> None:
    async with serving() as gone:
        root = gone.root
    api = await open_api(root, TOKEN)
    assert isinstance(await send(api, to()), Retry)
    await api.aclose()


@pytest.mark.parametrize(("chat", "whole"), [("7", True), ("-100", False), ("@club", False)])
async def test_a_limit_says_how_long_and_for_whom(chat: str, whole: bool) -> None:
    delivery = classify(ApiError(429, "Too Many Requests", retry_after=7.0), chat)
    assert delivery == Retry("Telegram says 429: Too Many Requests", after_seconds=7.0, whole_account=whole)


async def test_a_fault_of_telegram_is_tried_again_in_the_outbox_s_time() -> None:
    assert classify(ApiError(502, "Bad Gateway"), "7") == Retry("Telegram says 502: Bad Gateway")


@pytest.mark.parametrize("code", [401, 404])
async def test_a_message_waits_for_a_good_token(code: int) -> None:
    delivery = classify(ApiError(code, "Unauthorized"), "7")
    assert isinstance(delivery, Retry)
    assert (delivery.whole_account, delivery.after_seconds) == (True, 300.0)
    assert "set botToken" in delivery.error
