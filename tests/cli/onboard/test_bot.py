"""The step that ends with a bot of Telegram."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.outside import Outside
from tests.fakes.scripted_terminal import Answer, ScriptedTerminal
from tests.fakes.telegram_server import TOKEN
from xopc.cli.onboard.bot import choose_bot
from xopc.cli.onboard.draft import BotAnswer
from xopc.cli.onboard.guide import Attended, Unattended
from xopc.cli.onboard.present import Present
from xopc.cli.onboard.wishes import Secret, Wishes
from xopc.contracts.errors import XopcError

BOT = "example_bot"


@pytest.fixture
def telegram(servers: Outside, home: Path) -> Callable[..., None]:
    """Telegram is at the server of the tests, and what else is set for it."""

    def telegram(**more: Any) -> None:  # noqa: ANN401 - JSON
        section = {"apiRoot": f"http://127.0.0.1:{servers.telegram_port}", **more}
        (home / ".xopc").mkdir(exist_ok=True)
        (home / ".xopc" / "xopc.json").write_text(json.dumps({"channels": {"telegram": section}}))

    telegram()
    return telegram


def asked(
    see: Callable[[], Present], *answers: Answer, wishes: Wishes | None = None, token: str | None = None
) -> tuple[BotAnswer | None, ScriptedTerminal]:
    terminal = ScriptedTerminal(*answers)
    secret = Secret(token) if token else None
    answer = choose_bot(Attended(terminal), see(), wishes or Wishes(), secret)
    terminal.finish()
    return answer, terminal


@pytest.mark.usefixtures("telegram")
def test_nobody_has_to_have_one(see: Callable[[], Present]) -> None:
    assert asked(see, "")[0] is None
    assert asked(see, wishes=Wishes(skip_telegram=True))[0] is None
    assert choose_bot(Unattended(), see(), Wishes(), None) is None


@pytest.mark.usefixtures("telegram")
def test_a_token_is_pasted_tried_and_not_shown(see: Callable[[], Present]) -> None:
    answer, terminal = asked(see, "y", "no token", "1:wrong-but-of-the-right-form", "", TOKEN, "@ada", "4711")
    assert answer == BotAnswer(BOT, Secret(TOKEN), ("4711",))
    assert len(terminal.hidden) == 3
    assert TOKEN not in terminal.text
    assert "❌ Telegram does not know this token." in terminal.lines
    assert any("A user id is a number" in line for line in terminal.lines)


@pytest.mark.usefixtures("telegram")
def test_the_owner_is_found_by_a_message_and_asked_whether_it_is_him(
    see: Callable[[], Present], servers: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xopc.cli.onboard.bot_trial.find_writer.__defaults__", (0.3,))
    answer, terminal = asked(see, "", "666", token=TOKEN)
    assert answer == BotAnswer(BOT, Secret(TOKEN), ("666",))
    assert "❌ Nobody has written to @example_bot." in terminal.lines
    servers.write("hello", chat=4711)
    assert asked(see, "", "", token=TOKEN)[0] == BotAnswer(BOT, Secret(TOKEN), ("4711",))
    assert asked(see, "", "n", "12", token=TOKEN)[0] == BotAnswer(BOT, Secret(TOKEN), ("12",))


@pytest.mark.usefixtures("telegram")
def test_one_can_go_on_without_it(see: Callable[[], Present]) -> None:
    assert asked(see, ">Go on without", token="1:wrong-but-of-the-right-form")[0] is None


@pytest.mark.usefixtures("telegram")
def test_trying_again_asks_telegram_again(see: Callable[[], Present], servers: Outside) -> None:
    servers.fault(method="getMe", status=500)
    assert asked(see, "", "4711", token=TOKEN)[0] == BotAnswer(BOT, Secret(TOKEN), ("4711",))


@pytest.mark.usefixtures("telegram")
def test_the_environment_may_hold_the_token(see: Callable[[], Present], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    assert asked(see, "y", "", "4711")[0] == BotAnswer(BOT, Secret(TOKEN, "TELEGRAM_BOT_TOKEN"), ("4711",))


def test_a_bot_that_is_set_up_stays_unless_somebody_says(
    see: Callable[[], Present], telegram: Callable[..., None]
) -> None:
    telegram(botToken=TOKEN, dmPolicy="allowlist", allowFrom=["1"])
    assert asked(see, "")[0] is None
    assert asked(see, "y", "")[0] == BotAnswer(BOT, None)
    assert choose_bot(Unattended(), see(), Wishes(), None) is None
    assert choose_bot(Unattended(), see(), Wishes(telegram_owner="2"), None) == BotAnswer(BOT, None, ("2",))


def test_options_answer_instead(see: Callable[[], Present], servers: Outside) -> None:
    root = f"http://127.0.0.1:{servers.telegram_port}"
    wishes = Wishes(telegram_owner="tg:4711", telegram_api_root=root)
    assert choose_bot(Unattended(), see(), wishes, Secret(TOKEN)) == BotAnswer(BOT, Secret(TOKEN), ("4711",), root)


@pytest.mark.usefixtures("telegram")
def test_what_the_options_lack_is_told(see: Callable[[], Present]) -> None:
    guide = Unattended()
    assert choose_bot(guide, see(), Wishes(), Secret(TOKEN)) == BotAnswer(BOT, Secret(TOKEN))
    assert choose_bot(guide, see(), Wishes(telegram_owner="4711"), None) is None
    assert guide.warnings == [
        "Nobody may write to @example_bot yet: give your user id with --telegram-owner.",
        "There is no bot yet that the options of Telegram could be for: give its token.",
    ]


@pytest.mark.usefixtures("telegram")
@pytest.mark.parametrize(
    ("wishes", "token", "message"),
    [
        (Wishes(), "1:a-wrong-token-of-the-tests", "Telegram does not know this token"),
        (Wishes(telegram_owner="@ada"), TOKEN, "--telegram-owner: A user id is a number"),
        (Wishes(telegram_owner="\u0663"), TOKEN, "--telegram-owner: A user id is a number"),
        (Wishes(telegram_api_root="telegram"), TOKEN, "--telegram-api-root: is no URL"),
    ],
)
def test_an_option_that_does_not_work_is_told(
    see: Callable[[], Present], wishes: Wishes, token: str, message: str
) -> None:
    with pytest.raises(XopcError, match=message):
        choose_bot(Unattended(), see(), wishes, Secret(token))
