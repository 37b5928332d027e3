"""A bot that is taken out of a running gateway and added to it again, by a person at a terminal."""

from __future__ import annotations

from tests.e2e.harness import XOPC, Gateway, until
from tests.e2e.outside import CHAT, Outside
from tests.e2e.pseudo_terminal import PseudoTerminal
from tests.fakes.telegram_server import TOKEN as BOT_TOKEN


def test_a_bot_that_is_removed_and_added_again_answers_what_came_meanwhile(talking: Gateway, world: Outside) -> None:
    world.write("say:one")
    world.until_sent(1)
    with PseudoTerminal([XOPC, "channels", "remove", "telegram"], talking.environ, talking.home) as person:
        person.answer("telegram:default will answer nobody. Conversations stay", "y")
        person.expect("✅ telegram:default is taken out")
        assert person.wait() == 0
    until(lambda: "telegram:default" not in talking.xopc("gateway", "tree").stdout, "the bot is let go of")
    world.write("say:two")
    assert BOT_TOKEN not in (talking.state / "xopc.json").read_text()
    with PseudoTerminal([XOPC, "channels", "add", "telegram"], talking.environ, talking.home) as person:
        person.answer("The bot's token", "1:an-invented-token-that-is-none")
        person.expect("Telegram does not know this token.")
        person.choose("Give another token", "What now [2]:")
        person.answer("The bot's token", BOT_TOKEN)
        person.expect("✅ @example_bot is telegram:default in")
        assert person.wait() == 0
        assert BOT_TOKEN not in person.text
    assert world.until_sent(2, chat=CHAT) == ["one", "two"]
