"""Questions and answers."""

from __future__ import annotations

import pytest

from tests.fakes.scripted_terminal import ScriptedTerminal
from xopc.cli.onboard.guide import Attended, Unattended, something
from xopc.contracts.errors import XopcError

CHOICES = [("a", "the first"), ("b", "the second")]


def test_enter_takes_what_stands_in_brackets() -> None:
    terminal = ScriptedTerminal("", "", "")
    guide = Attended(terminal)
    assert guide.ask("Name", something, "Ada", option="--name") == "Ada"
    assert guide.choose("Which one", CHOICES, "b") == "b"
    assert guide.confirm("Sure", default=True)
    assert terminal.lines == ["Name [Ada]: ", "  1) the first", "  2) the second", "Which one [2]: ", "Sure [Y/n]: "]


def test_a_wrong_answer_is_told_and_asked_again() -> None:
    terminal = ScriptedTerminal("", " Ada ", "3", "x", ">first", "perhaps", "NO")
    guide = Attended(terminal)
    assert guide.ask("Name", something, option="--name") == "Ada"
    assert guide.choose("Which one", CHOICES, "b") == "a"
    assert not guide.confirm("Sure", default=True)
    terminal.finish()
    told = [line for line in terminal.lines if line.startswith("   ")]
    assert told == [
        "   Type something, and Enter.",
        *["   Type a number from 1 to 2, and Enter."] * 2,
        "   Type y or n, and Enter.",
    ]


def test_what_is_typed_in_another_encoding_is_asked_again() -> None:
    class Latin(ScriptedTerminal):
        def read(self, prompt: str) -> str:
            answer = super().read(prompt)
            return answer.encode("latin-1").decode() if answer == "ü" else answer

    terminal = Latin("ü", "\udcfc", "Ada")
    assert Attended(terminal).ask("Name", something, option="--name") == "Ada"
    assert terminal.lines.count("   That is in another encoding than this terminal's: type it again.") == 2


def test_a_secret_is_asked_for_hidden() -> None:
    terminal = ScriptedTerminal("sk-invented")
    assert Attended(terminal).ask_hidden("The key", something, option="--key") == "sk-invented"
    assert terminal.hidden == ["The key (hidden): "]
    assert "sk-invented" not in terminal.text


def test_trouble_is_told_with_its_cure() -> None:
    terminal = ScriptedTerminal()
    Attended(terminal).trouble("It is broken.", "Mend it.")
    assert terminal.lines == ["❌ It is broken.", "💡 Mend it."]


def test_ctrl_c_and_the_end_of_the_input_pass() -> None:
    guide = Attended(ScriptedTerminal(KeyboardInterrupt, EOFError))
    with pytest.raises(KeyboardInterrupt):
        guide.confirm("Sure", default=True)
    with pytest.raises(EOFError):
        guide.confirm("Sure", default=True)


def test_what_is_proposed_is_taken_and_shown() -> None:
    terminal = ScriptedTerminal()
    guide = Attended(terminal, takes_defaults=True)
    assert guide.ask("Port", something, "18790", option="--port") == "18790"
    assert guide.choose("Which one", CHOICES, "b") == "b"
    assert not guide.confirm("Sure", default=False)
    assert terminal.lines[0] == "Port [18790]: 18790"
    with pytest.raises(XopcError, match="Nobody is asked, so --key is needed: Type something"):
        guide.ask_hidden("The key", something, option="--key")
    with pytest.raises(XopcError, match=r"It is broken\. Mend it\."):
        guide.trouble("It is broken.", "Mend it.")


def test_nobody_takes_what_is_proposed_and_keeps_the_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    guide = Unattended()
    guide.heading("1.")
    guide.say("Hello")
    guide.warn("odd")
    assert guide.ask("Port", something, "18790", option="--port") == "18790"
    assert guide.choose("Which one", CHOICES, "b") == "b"
    assert guide.confirm("Sure", default=True)
    assert guide.warnings == ["odd"]
    assert capsys.readouterr().out == ""


def test_nobody_cannot_be_asked() -> None:
    guide = Unattended()
    with pytest.raises(XopcError, match="Nobody is asked, so --name is needed"):
        guide.ask("Name", something, option="--name")
    with pytest.raises(XopcError, match="Nobody is asked, so --key is needed"):
        guide.ask_hidden("The key", something, option="--key")
    with pytest.raises(XopcError, match=r"It is broken\."):
        guide.trouble("It is broken.")
