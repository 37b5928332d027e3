"""An answer on the screen, while it is written."""

from __future__ import annotations

import io

import pytest

from xopc.cli.reply import MAX_ACTIVITY_CHARS, Reply
from xopc.client.stream import Frame


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


def token(content: str, *, reset: bool = False) -> Frame:
    return Frame("token", {"content": content, **({"reset": True} if reset else {})})


def tool(call: str, name: str = "current_time", **args: str) -> Frame:
    return Frame("tool_start", {"toolCallId": call, "toolName": name, "args": args})


END = Frame("message_end", {})


def shown(*frames: Frame | None, reply: str | None = None, out: io.StringIO | None = None) -> str:
    """What stands on the output; a None among the frames is a restart, after which the stream begins again."""
    out = io.StringIO() if out is None else out
    written = Reply(out)
    for frame in frames:
        if frame is None:
            written.pause()
            written.begin_again()
        else:
            written.show(frame)
    if reply is not None:
        written.finish(reply)
    return out.getvalue()


def test_tokens_stand_there_as_they_come() -> None:
    assert shown(token("Hel"), token("lo")) == "Hello"


def test_the_end_is_a_line_break_and_not_the_text_again() -> None:
    assert shown(token("Hel"), token("lo"), END, reply="Hello") == "Hello\n"
    assert shown(token("Hello\n"), END, reply="Hello") == "Hello\n"
    assert shown(token("Hello"), reply="Hello") == "Hello\n"


def test_several_messages_stand_below_each_other() -> None:
    assert shown(token("Let me look."), END, tool("1"), token("Noon."), END, reply="Noon.") == "Let me look.\nNoon.\n"


def test_an_answer_that_came_without_tokens_is_shown_at_the_end() -> None:
    assert shown(reply="Hello") == "Hello\n"
    assert shown(token("Let me look."), END, reply="Noon.") == "Let me look.\nNoon.\n"


def test_what_was_missed_of_an_answer_is_shown_at_the_end() -> None:
    assert shown(token("Hel"), reply="Hello") == "Hello\n"


def test_an_empty_answer_adds_nothing() -> None:
    assert shown(reply="") == ""
    assert shown(token("Hel"), reply="") == "Hel\n"
    assert shown(token("Let me look."), END, token("No"), reply="") == "Let me look.\nNo\n"


def test_after_a_restart_what_stands_there_is_not_repeated() -> None:
    assert shown(
        token("Hel"), token("lo, "), None, token("He"), token("llo, "), token("you."), END, reply="Hello, you."
    ) == ("Hello, you.\n")


def test_an_answer_that_becomes_another_one_stands_below_the_first() -> None:
    assert shown(token("Hello"), None, token("Help"), token("!"), END, reply="Help!") == "Hello\nHelp!\n"
    assert shown(token("Hello, you"), None, token("Hello"), END, reply="Hello") == "Hello, you\nHello\n"
    assert shown(token("Hello, you"), None, reply="Hello") == "Hello, you\nHello\n"


def test_two_restarts_in_a_row_lose_nothing_of_what_stands_there() -> None:
    assert shown(
        token("Hello, you"), None, token("Hel"), None, token("Hello, you two"), END, reply="Hello, you two"
    ) == ("Hello, you two\n")


def test_after_a_restart_complete_messages_are_not_repeated_either() -> None:
    first = (token("Let me look."), END, token("It is noo"))
    replayed = (token("Let me"), token(" look."), END, token("It is"), token(" noon."), END)
    assert shown(*first, None, *replayed, reply="It is noon.") == "Let me look.\nIt is noon.\n"


def test_a_process_that_goes_on_with_the_last_message_is_followed() -> None:
    first = (token("It depends."), END, token("It is"))
    assert (
        shown(*first, None, token("It"), token(" is noon."), END, reply="It is noon.") == "It depends.\nIt is noon.\n"
    )


def test_a_break_between_two_messages_loses_nothing() -> None:
    first = (token("Let me look."), END)
    expected = "Let me look.\nNoon.\n"
    assert shown(*first, None, token("Noon."), END, reply="Noon.") == expected
    assert shown(*first, None, *first, token("Noon."), END, reply="Noon.") == expected
    assert shown(*first, None, reply="Noon.") == expected


def test_a_break_before_the_end_of_a_message_ends_its_line() -> None:
    assert shown(token("Let me look."), None, token("Let me look."), END, token("Noon."), reply="Noon.") == (
        "Let me look.\nNoon.\n"
    )


def test_a_break_in_a_replay_is_no_other_than_the_first() -> None:
    first = (token("Let me look."), END, token("It is noo"))
    replay = (token("Let me look."), END)
    assert shown(*first, None, *replay, None, *replay, token("It is noon."), END, reply="It is noon.") == (
        "Let me look.\nIt is noon.\n"
    )


def test_the_result_alone_completes_what_stands_there() -> None:
    assert shown(token("Let me look."), END, token("It is"), None, reply="It is noon.") == "Let me look.\nIt is noon.\n"
    assert shown(token("Let me look."), END, token("It is noon."), None, reply="It is noon.") == (
        "Let me look.\nIt is noon.\n"
    )


def test_a_model_that_begins_anew_is_followed() -> None:
    assert shown(token("Hel"), token("Hello", reset=True), token("!"), END, reply="Hello!") == "Hello!\n"
    assert shown(token("Hel"), token("Bye", reset=True), token("!"), END, reply="Bye!") == "Hel\nBye!\n"
    assert shown(token("Hel"), None, token("He"), token("Hello", reset=True), END, reply="Hello") == "Hello\n"


def test_a_message_of_tool_calls_alone_takes_no_line() -> None:
    assert shown(END, tool("1"), END, token("Noon."), END, reply="Noon.") == "Noon.\n"


def test_elsewhere_than_on_a_terminal_there_is_the_answer_alone() -> None:
    failed = Frame("tool_end", {"toolName": "x", "isError": True, "result": "no"})
    assert shown(tool("1"), failed, None, token("\x1b[1mHello"), END, reply="") == "\x1b[1mHello\n"


def test_on_a_terminal_a_tool_is_a_dim_line() -> None:
    text = shown(token("Let me"), tool("1", zone="UTC"), token("Noon. "), out=Terminal())
    assert text == 'Let me\n\x1b[2m  ⚙ current_time {"zone": "UTC"}\x1b[0m\nNoon.'


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_without_colour_it_is_a_line_all_the_same(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    assert shown(tool("1"), out=Terminal()) == "  ⚙ current_time\n"


def test_a_tool_is_told_once_and_its_failure_too() -> None:
    failed = Frame("tool_end", {"toolCallId": "1", "toolName": "current_time", "isError": True, "result": "no\nzone"})
    fine = Frame("tool_end", {"toolCallId": "2", "toolName": "current_time", "isError": False, "result": "12:00"})
    lines = shown(tool("1"), failed, tool("1"), fine, out=Terminal()).splitlines()
    assert len(lines) == 2
    assert "✗ current_time: no zone" in lines[1]


def test_a_long_line_of_a_tool_is_cut() -> None:
    (line,) = shown(tool("1", text="x" * 1000), out=Terminal()).splitlines()
    assert len(line) < MAX_ACTIVITY_CHARS + 20
    assert "…" in line


def test_a_restart_is_told_once_until_the_answer_goes_on() -> None:
    out = Terminal()
    reply = Reply(out)
    reply.show(token("Hel"))
    reply.pause()
    reply.pause()
    reply.show(token("lo"))
    reply.pause()
    assert out.getvalue().count("the gateway restarts") == 2
    assert out.getvalue().startswith("Hel\n")


def test_a_model_cannot_move_the_cursor_of_a_terminal() -> None:
    text = shown(token("\x1b]0;title\x07a\rb\tc\nd\x9b1m 文 👩‍💻"), tool("1", name="\x1b[2J"), out=Terminal())
    assert text.startswith("�]0;title�ab\tc\nd�1m 文 👩‍💻\n")
    assert "⚙ �[2J" in text


def test_on_a_terminal_lines_end_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "12")
    text = shown(token("The quick br"), token("own fox"), END, reply="The quick brown fox", out=Terminal())
    assert text == "The quick\nbrown fox\n"


def test_elsewhere_an_answer_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "12")
    assert shown(token("The quick brown fox"), END, reply="The quick brown fox") == "The quick brown fox\n"


def test_code_that_was_cut_off_does_not_reach_into_the_next_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "12")
    text = shown(token("```\nls"), END, token("The quick brown fox"), END, reply="", out=Terminal())
    assert text == "```\nls\nThe quick\nbrown fox\n"


def test_what_stands_there_before_a_pause_is_whole() -> None:
    assert shown(token("It is noo"), None, out=Terminal()).startswith("It is noo\n")


def test_events_of_a_later_version_are_passed_over() -> None:
    assert shown(Frame("dance", {"step": 1}), Frame("progress", {"stage": "thinking"}), token("Hi")) == "Hi"
