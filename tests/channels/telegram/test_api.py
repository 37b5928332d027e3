from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from functools import partial

import pytest
import trio

from tests.fakes.telegram_server import TOKEN, BotApi, serving
from xopc.channels.telegram.api import Api, ApiError, UnreachableError, open_api


@pytest.fixture
async def bot_api() -> AsyncGenerator[BotApi]:
    async with serving() as bot_api:
        yield bot_api


@pytest.fixture
async def api(bot_api: BotApi) -> AsyncGenerator[Api]:
    api = await open_api(f"{bot_api.root}/", TOKEN)
    yield api
    await api.aclose()


async def test_a_call_gives_the_result(api: Api) -> None:
    assert await api.call("getMe", {}) == {
        "id": 123456,
        "is_bot": True,
        "first_name": "Example",
        "username": "example_bot",
    }


async def test_a_refusal_is_told_with_all_that_telegram_says(api: Api, bot_api: BotApi) -> None:
    parameters = {"retry_after": 3, "migrate_to_chat_id": -100}
    bot_api.fail("getMe", status=429, description="Too Many Requests: retry after 3", parameters=parameters)
    with pytest.raises(ApiError) as caught:
        await api.call("getMe", {})
    error = caught.value
    assert (error.code, error.retry_after, error.moved_to) == (429, 3.0, "-100")
    assert str(error) == "Telegram says 429: Too Many Requests: retry after 3"


@pytest.mark.parametrize("body", ["<html>Bad Gateway</html>", "[]", '{"ok": 1}', "[" * 100_000])
async def test_an_error_of_something_on_the_way_is_an_error_with_its_status(
    api: Api, bot_api: BotApi, body: str
) -> None:
    bot_api.fail("getMe", status=502, body=body)
    with pytest.raises(ApiError) as caught:
        await api.call("getMe", {})
    assert caught.value.code == 502


@pytest.mark.parametrize("body", ["", "hello", "null", '{"result": true}'])
async def test_an_answer_that_is_not_telegram_s_is_none(api: Api, bot_api: BotApi, body: str) -> None:
    bot_api.fail("getMe", status=200, body=body)
    with pytest.raises(UnreachableError, match="look at apiRoot") as caught:
        await api.call("getMe", {})
    assert caught.value.may_have_arrived


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_a_connection_lost_after_the_request_may_have_done_it(api: Api, bot_api: BotApi, cut: str) -> None:
    bot_api.fail("getMe", cut=cut)
    with pytest.raises(UnreachableError, match="cannot be reached") as caught:
        await api.call("getMe", {})
    assert caught.value.may_have_arrived


async def test_a_connection_that_was_not_made_has_done_nothing(bot_api: BotApi) -> None:
    async with serving() as gone:
        root = gone.root
    api = await open_api(root, TOKEN)
    with pytest.raises(UnreachableError) as caught:
        await api.call("getMe", {})
    assert not caught.value.may_have_arrived
    await api.aclose()


async def test_a_request_that_was_not_taken_whole_has_done_nothing() -> None:
    async def close_soon(stream: trio.SocketStream) -> None:
        await stream.receive_some(1)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, close_soon, 0, host="127.0.0.1"))
        api = await open_api(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}", TOKEN)
        with pytest.raises(UnreachableError) as caught:
            await api.call("sendMessage", {"text": "x" * 50_000_000})
        assert not caught.value.may_have_arrived
        await api.aclose()
        nursery.cancel_scope.cancel()


async def test_a_call_ends_in_time(api: Api, bot_api: BotApi) -> None:
    bot_api.fail("getMe", delay=60)
    with trio.fail_after(5), pytest.raises(UnreachableError) as caught:
        await api.call("getMe", {}, 0.1)
    assert caught.value.may_have_arrived


async def test_a_cancelled_call_is_cancelled(api: Api, bot_api: BotApi) -> None:
    bot_api.fail("getMe", delay=60)
    with trio.move_on_after(0.1) as scope:
        await api.call("getMe", {})
    assert scope.cancelled_caught


async def test_neither_errors_nor_log_hold_the_token(bot_api: BotApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving() as gone:
        pass
    for root in (bot_api.root, gone.root, "http://127.0.0.1:1", "http://[::1"):
        api = await open_api(root, TOKEN)
        bot_api.fail("getMe", cut="before")
        with pytest.raises(UnreachableError) as caught:
            await api.call("getMe", {})
        assert TOKEN not in repr(caught.value)
        assert caught.value.__suppress_context__
        await api.aclose()
    assert caplog.records
    assert TOKEN not in caplog.text
