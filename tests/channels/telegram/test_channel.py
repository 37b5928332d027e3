from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, field, frozen

from tests.fakes.telegram_server import TOKEN, BotApi, serving
from xopc.channels.base import AccountStatus, ChannelError, Context
from xopc.channels.telegram.channel import Telegram
from xopc.contracts.messages import Address, Inbound, Outbound, Retry, Sent
from xopc.contracts.settings.channels import DmPolicy, TelegramAccountSettings, TelegramSettings
from xopc.storage.path.base import Cursor

SECRET = TOKEN.partition(":")[2]


@define(eq=False)
class FakeInbox:
    """Takes in what a channel accepts; refuses while `broken`."""

    inbounds: list[Inbound] = field(factory=list[Inbound])
    cursors: dict[tuple[str, str], str] = field(factory=dict[tuple[str, str], str])
    broken: bool = False
    changed: trio.Event = field(factory=trio.Event)

    async def accept(self, inbounds: Sequence[Inbound], cursor: Cursor | None) -> None:
        await trio.lowlevel.checkpoint()
        if self.broken:
            raise OSError("disk full")
        known = {inbound.dedupe_key for inbound in self.inbounds}
        self.inbounds += [inbound for inbound in inbounds if inbound.dedupe_key not in known]
        if cursor is not None:
            self.cursors[cursor.channel, cursor.account] = cursor.value
        self.changed.set()
        self.changed = trio.Event()

    async def read_cursor(self, channel: str, account: str) -> str | None:
        await trio.lowlevel.checkpoint()
        return self.cursors.get((channel, account))

    async def until_texts(self, *texts: str) -> None:
        with trio.fail_after(5):
            while [inbound.text for inbound in self.inbounds] != list(texts):
                await self.changed.wait()


@frozen
class World:
    """A bot that runs, its platform, and its inbox."""

    bot_api: BotApi
    inbox: FakeInbox
    telegram: Telegram


def settings(bot_api: BotApi, **more: object) -> TelegramSettings:
    keys = {"bot_token": bot_api.token, "api_root": bot_api.root, "dm_policy": DmPolicy.OPEN} | more
    return TelegramSettings(**keys)  # type: ignore[arg-type]  # the keys are those of the class


@asynccontextmanager
async def running(bot_api: BotApi, inbox: FakeInbox, **more: object) -> AsyncGenerator[World]:
    telegram = Telegram(settings(bot_api, **more))
    await telegram.init(Context(inbox.accept, inbox.read_cursor))
    try:
        async with trio.open_nursery() as nursery:
            with trio.fail_after(10):
                await nursery.start(telegram.run_account, "default")
            yield World(bot_api, inbox, telegram)
            nursery.cancel_scope.cancel()
    finally:
        await telegram.close()


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    async with serving() as bot_api, running(bot_api, FakeInbox()) as world:
        yield world


async def until_status(telegram: Telegram, *, connected: bool) -> AccountStatus:
    with trio.fail_after(5):
        while (status := telegram.status()[0]).connected is not connected:  # noqa: ASYNC110  nothing announces it
            await trio.sleep(0.01)
    return status


async def test_it_tells_when_telegram_answers_again() -> None:
    told: list[tuple[str, str]] = []
    again = trio.Event()

    def tell(channel: str, account: str) -> None:
        told.append((channel, account))
        again.set()

    async with serving() as bot_api:
        telegram = Telegram(settings(bot_api))
        await telegram.init(Context(FakeInbox().accept, FakeInbox().read_cursor, tell))
        async with trio.open_nursery() as nursery:
            bot_api.fail("getUpdates", status=502)
            await nursery.start(telegram.run_account, "default")
            bot_api.receive(chat=7, text="there is something to tell")
            with trio.fail_after(10):
                await again.wait()
            nursery.cancel_scope.cancel()
        await telegram.close()
    assert told == [("telegram", "default")]


def answer(text: str, chat: int = 7) -> Outbound:
    return Outbound(Address("telegram", "default", str(chat)), text)


async def test_a_message_of_a_user_comes_in(world: World) -> None:
    world.bot_api.receive(chat=7, text="Hello")
    await world.inbox.until_texts("Hello")
    inbound = world.inbox.inbounds[0]
    assert inbound.address == Address("telegram", "default", "7")
    assert inbound.dedupe_key == "telegram:123456:update:1000"


async def test_an_update_is_confirmed_only_when_the_inbox_has_it(world: World) -> None:
    world.bot_api.receive(chat=7, text="first")
    await world.inbox.until_texts("first")
    world.bot_api.receive(chat=7, text="second")
    await world.inbox.until_texts("first", "second")
    with trio.fail_after(5):
        await world.bot_api.until(lambda: not world.bot_api.updates)
    offsets = [parameters.get("offset") for parameters in world.bot_api.called("getUpdates")]
    assert offsets == [None, 1001, 1002]


async def test_what_the_inbox_refused_is_read_again() -> None:
    inbox = FakeInbox(broken=True)
    async with serving() as bot_api:
        bot_api.receive(chat=7, text="Hello")
        with pytest.RaisesGroup(pytest.RaisesExc(OSError, match="disk full"), flatten_subgroups=True):
            async with running(bot_api, inbox):
                await trio.sleep(5)
        inbox.broken = False
        async with running(bot_api, inbox):
            await inbox.until_texts("Hello")


async def test_a_crash_between_inbox_and_confirmation_doubles_nothing() -> None:
    inbox = FakeInbox()
    async with serving() as bot_api:
        bot_api.receive(chat=7, text="Hello")
        async with running(bot_api, inbox):
            await inbox.until_texts("Hello")
        assert bot_api.updates, "Telegram does not know yet that it was read"
        bot_api.receive(chat=7, text="again")
        async with running(bot_api, inbox):
            await inbox.until_texts("Hello", "again")


async def test_a_webhook_is_taken_away_before_polling() -> None:
    async with serving(BotApi(webhook="https://example.com/hook")) as bot_api, running(bot_api, FakeInbox()) as world:
        bot_api.receive(chat=7, text="Hello")
        await world.inbox.until_texts("Hello")


async def test_who_is_not_admitted_is_dropped_and_confirmed_without_an_answer() -> None:
    async with (
        serving() as bot_api,
        running(bot_api, FakeInbox(), dm_policy=DmPolicy.ALLOWLIST, allow_from=("8",)) as world,
    ):
        bot_api.receive(chat=7, text="let me in")
        bot_api.receive(chat=8, text="I may")
        await world.inbox.until_texts("I may")
        assert bot_api.sent == []


async def test_a_fault_of_telegram_is_waited_out_and_shown(world: World) -> None:
    world.bot_api.fail("getUpdates", status=502, body="<html>Bad Gateway</html>")
    world.bot_api.receive(chat=7, text="first")
    failed = await until_status(world.telegram, connected=False)
    assert "Telegram says 502" in (failed.error or "")
    assert (await until_status(world.telegram, connected=True)).error is None
    await world.inbox.until_texts("first")


async def test_an_unknown_token_ends_the_account_with_the_cure() -> None:
    async with serving() as bot_api:
        with pytest.RaisesGroup(pytest.RaisesExc(ChannelError, match="set botToken"), flatten_subgroups=True):
            async with running(bot_api, FakeInbox(), bot_token="999:not-the-one"):
                pass


async def test_a_token_that_is_revoked_ends_the_account() -> None:
    async with serving() as bot_api:
        with pytest.RaisesGroup(pytest.RaisesExc(ChannelError, match="401"), flatten_subgroups=True):
            async with running(bot_api, FakeInbox()):
                bot_api.token = "123456:another"
                bot_api.receive(chat=7, text="Hello")
                await trio.sleep(5)


@pytest.mark.parametrize("token", ["words", "1:a/b", "12345"])
async def test_a_token_of_a_wrong_form_is_never_sent(token: str) -> None:
    async with serving() as bot_api:
        with pytest.RaisesGroup(pytest.RaisesExc(ChannelError, match="botToken does not hold"), flatten_subgroups=True):
            async with running(bot_api, FakeInbox(), bot_token=token):
                pass
        assert bot_api.calls == []


async def test_the_token_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    async with (
        serving() as bot_api,
        running(bot_api, FakeInbox(), bot_token=None, token_file="~/token") as world,
    ):
        assert world.telegram.status()[0].connected


async def test_a_token_file_that_is_missing_may_come_later(tmp_path: Path) -> None:
    async with serving() as bot_api:
        missing = str(tmp_path / "missing")
        with pytest.RaisesGroup(FileNotFoundError, flatten_subgroups=True):
            async with running(bot_api, FakeInbox(), bot_token=None, token_file=missing):
                pass
        telegram = Telegram(settings(bot_api, bot_token=None, token_file=missing))
        delivery = await telegram.send(answer("Hi"), "Hi", part=0)
        assert isinstance(delivery, Retry)


async def test_a_telegram_that_cannot_be_reached_is_tried_again_by_whoever_runs_the_account() -> None:
    bot_api = BotApi(port=1)
    with pytest.RaisesGroup(pytest.RaisesExc(ConnectionError, match="cannot be reached"), flatten_subgroups=True):
        async with running(bot_api, FakeInbox()):
            pass


async def test_an_answer_goes_out_in_parts(world: World) -> None:
    world.bot_api.chats.add(7)
    outbound = answer("**Dear** friend\n\n" + "word " * 1000)
    parts = world.telegram.split(outbound)
    assert len(parts) == 2
    for number, part in enumerate(parts):
        assert isinstance(await world.telegram.send(outbound, part, part=number), Sent)
    assert world.bot_api.sent[0]["text"].startswith("Dear friend\n\nword")
    assert sum(message["text"].count("word") for message in world.bot_api.sent) == 1000


async def test_an_answer_goes_out_when_nothing_is_read_any_more() -> None:
    async with serving() as bot_api:
        bot_api.chats.add(7)
        telegram = Telegram(settings(bot_api))
        assert await telegram.send(answer("Bye"), "Bye", part=0) == Sent("1")
        await telegram.close()


async def test_an_answer_without_text_counts_as_sent(world: World) -> None:
    outbound = answer(" \n")
    assert world.telegram.split(outbound) == ("",)
    assert await world.telegram.send(outbound, "", part=0) == Sent()
    assert world.bot_api.called("sendMessage") == []


async def test_messages_of_an_account_that_is_not_there_or_disabled_wait_for_other_settings(world: World) -> None:
    outbound = Outbound(Address("telegram", "other", "7"), "Hi")
    assert world.telegram.split(outbound) == ("Hi",)
    disabled = Telegram(TelegramSettings(bot_token="1:a", enabled=False))
    for delivery in (
        await world.telegram.send(outbound, "Hi", part=0),
        await disabled.send(answer("Hi"), "Hi", part=0),
    ):
        assert isinstance(delivery, Retry)
        assert delivery.whole_account
        assert delivery.until_changed
        assert "channels.telegram" in delivery.error


async def test_a_person_and_a_group_have_limits_of_their_own_and_all_share_that_of_the_bot() -> None:
    telegram = Telegram(TelegramSettings(bot_token="1:a", accounts={"own": TelegramAccountSettings(pacing=False)}))
    person, group, channel = (telegram.limits(Address("telegram", "default", chat)) for chat in ("7", "-100", "@news"))
    assert group == channel
    shared = [limit for limit in person if not limit.per_chat]
    assert [limit for limit in group if not limit.per_chat] == shared
    (of_bot,), (of_person,), (of_group,) = (
        shared,
        [limit for limit in person if limit.per_chat],
        [limit for limit in group if limit.per_chat],
    )
    assert of_bot.at_once + 1 / of_bot.seconds <= 30
    assert of_person.seconds == 1
    assert of_group.at_once + 60 / of_group.seconds <= 20
    for account in ("own", "nowhere"):
        assert telegram.limits(Address("telegram", account, "7")) == ()


async def test_two_bots_run_beside_each_other() -> None:
    async with serving() as home, serving(BotApi(bot_id=2, token="2:b")) as work:
        inbox = FakeInbox()
        own = TelegramAccountSettings(bot_token="2:b", api_root=work.root)
        async with running(home, inbox, accounts={"work": own}) as world, trio.open_nursery() as nursery:
            assert world.telegram.accounts() == ("default", "work")
            await nursery.start(world.telegram.run_account, "work")
            work.receive(chat=8, text="to work")
            await inbox.until_texts("to work")
            assert inbox.inbounds[0].address == Address("telegram", "work", "8")
            assert inbox.inbounds[0].dedupe_key == "telegram:2:update:1000"
            reply = Outbound(inbox.inbounds[0].address, "Hi")
            assert isinstance(await world.telegram.send(reply, "Hi", part=0), Sent)
            assert (len(home.sent), len(work.sent)) == (0, 1)
            nursery.cancel_scope.cancel()


async def test_a_bot_that_is_switched_off_shows_in_the_status() -> None:
    telegram = Telegram(TelegramSettings(bot_token="1:a", enabled=False))
    assert telegram.accounts() == ()
    assert telegram.status() == (AccountStatus("default", enabled=False, connected=False),)


async def test_a_new_token_in_the_file_is_used_when_the_account_runs_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    async with serving() as bot_api:
        telegram = Telegram(settings(bot_api, bot_token=None, token_file=str(file)))
        inbox = FakeInbox()
        await telegram.init(Context(inbox.accept, inbox.read_cursor))
        for token in ("123456:old", "123456:new"):
            bot_api.token = token
            file.write_text(token)
            async with trio.open_nursery() as nursery:
                await nursery.start(telegram.run_account, "default")
                assert telegram.status()[0].connected
                nursery.cancel_scope.cancel()
            assert not telegram.status()[0].connected
        await telegram.close()


async def test_no_line_of_the_log_and_no_error_holds_the_token(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world.bot_api.chats.add(7)
    for fault in ({"cut": "before"}, {"status": 500}, {"status": 200, "body": "nonsense"}):
        world.bot_api.fail("sendMessage", **fault)
        assert SECRET not in repr(await world.telegram.send(answer("Hi"), "Hi", part=0))
    assert isinstance(await world.telegram.send(answer("Hi"), "Hi", part=0), Sent)
    assert caplog.records, "the client's own records are seen by this test"
    assert SECRET not in caplog.text
    assert SECRET not in repr(world.telegram.status())
