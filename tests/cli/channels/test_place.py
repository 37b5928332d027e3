"""Which bot the commands of `xopc channels` are about."""

from __future__ import annotations

import pytest
from cyclopts import App, CycloptsError

from xopc.cli.channels.place import AccountOption, ChannelArgument

app = App(result_action="return_value")


@app.default
def echo(channel: ChannelArgument, /, *, account: AccountOption = "default") -> str:
    return f"{channel}:{account}"


def parse(*arguments: str) -> object:
    return app(arguments, exit_on_error=False, print_error=False)


def test_a_bot_has_a_channel_and_an_account() -> None:
    assert parse("telegram") == "telegram:default"
    assert parse("telegram", "--account", "work-2") == "telegram:work-2"


@pytest.mark.parametrize("account", ["", "Work", "a b", "a" * 65, "a.b"])
def test_the_id_of_an_account_is_what_the_configuration_takes(account: str) -> None:
    with pytest.raises(CycloptsError, match="must be 1 to 64 of a-z, 0-9, _ and -"):
        parse("telegram", "--account", account)


def test_a_channel_that_there_is_not_is_refused() -> None:
    with pytest.raises(CycloptsError, match="telegram"):
        parse("slack")
