"""What Telegram says of a bot."""

from __future__ import annotations

import pytest

from tests.e2e.outside import Outside
from tests.fakes.telegram_server import TOKEN
from xopc.cli.onboard.bot_trial import Refused, Writer, find_writer, name_of_bot


@pytest.fixture
def root(servers: Outside) -> str:
    return f"http://127.0.0.1:{servers.telegram_port}"


def test_a_token_tells_the_bots_name(root: str) -> None:
    assert name_of_bot(root, TOKEN) == "example_bot"


def test_a_wrong_token_is_told(root: str) -> None:
    refused = name_of_bot(root, "1:a-wrong-token-of-the-tests")
    assert isinstance(refused, Refused)
    assert refused.what == "Telegram does not know this token."
    assert refused.is_of_token


@pytest.mark.parametrize(
    "token", ["", "wrong", "1:wrong", f"{TOKEN}/../getMe", f"{TOKEN}\nmore", "\udcff", "1" * 70000]
)
def test_what_is_no_token_is_sent_to_nobody(servers: Outside, root: str, token: str) -> None:
    before = servers.calls("getMe")
    refused = name_of_bot(root, token)
    assert isinstance(refused, Refused)
    assert refused.what.startswith("That is no token of a bot")
    assert refused.is_of_token
    assert servers.calls("getMe") == before


def test_where_telegram_cannot_be_reached_that_is_said_without_the_token() -> None:
    refused = name_of_bot("http://127.0.0.1:9", TOKEN)
    assert isinstance(refused, Refused)
    assert refused.what.startswith("Telegram cannot be reached: connection refused")
    assert not refused.is_of_token
    assert TOKEN not in refused.what


def test_another_server_is_not_telegram(servers: Outside) -> None:
    refused = name_of_bot(f"http://127.0.0.1:{servers.model_port}", TOKEN)
    assert isinstance(refused, Refused)
    assert "apiRoot" in refused.what


def test_an_error_of_telegram_is_told(servers: Outside, root: str) -> None:
    servers.fault(method="getMe", status=500, description="Internal")
    assert name_of_bot(root, TOKEN) == Refused("Telegram says 500: Internal.", "Try again in a moment.")


def test_the_last_who_has_written_in_private_is_found_and_the_message_stays(servers: Outside, root: str) -> None:
    assert find_writer(root, TOKEN, seconds=0.3) is None
    servers.write("in a group", chat=-7)
    servers.write("hello", chat=4711)
    assert find_writer(root, TOKEN) == Writer("4711", "Robin")
    assert len(servers.unconfirmed()) == 2


def test_two_programs_cannot_read_one_bots_messages(servers: Outside, root: str) -> None:
    servers.fault(method="getUpdates", status=409, description="Conflict")
    refused = find_writer(root, TOKEN)
    assert isinstance(refused, Refused)
    assert refused.what == "Another program reads this bot's messages (Conflict)."
