from __future__ import annotations

import pytest

from xopc.channels.base import default_account
from xopc.channels.webchat import Webchat


class Chats(Webchat):
    """A channel with accounts of the test's."""

    def __init__(self, *accounts: str) -> None:
        self._accounts = accounts

    def accounts(self) -> tuple[str, ...]:
        return self._accounts


@pytest.mark.parametrize(
    ("accounts", "account"), [(("work", "default"), "default"), (("work", "home"), "work"), ((), "default")]
)
def test_where_no_account_is_named_the_default_one_sends_or_else_the_first(
    accounts: tuple[str, ...], account: str
) -> None:
    assert default_account(Chats(*accounts)) == account


def test_a_channel_that_there_is_not_has_the_default_account() -> None:
    assert default_account(None) == "default"
