"""Shows an answer while it is written: its text as it comes, and on a terminal what the agent does meanwhile."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from typing import TextIO

from xopc.cli.output import one_line, without_controls
from xopc.cli.wrap import Wrap
from xopc.client.stream import Frame

MAX_ACTIVITY_CHARS = 100


class Reply:
    """The messages of one run, on one output: on a terminal broken between words, elsewhere as they are.

    After a lost connection the stream begins again: with the run where the process is the same, with the step that
    was under way where another one goes on. What stands there already is not repeated, unless it became different.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._on_terminal = out.isatty()
        self._in_colour = self._on_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._done: list[str] = []
        """The messages that are complete."""
        self._text = ""
        """Of the current message, as far as the stream has come."""
        self._ahead: list[str] = []
        """Messages that stand there from before the stream began again, from the one that it is at now."""
        self._wrap = Wrap()
        self._line_is_open = False
        self._told_of_pause = False
        self._tools: set[str] = set()

    def show(self, frame: Frame) -> None:
        """Show what there is to show of an event."""
        self._told_of_pause = False
        data = frame.data
        match frame.event:
            case "token":
                if data.get("reset") is True:
                    self._ahead, self._text = self._ahead or [self._text], ""
                self._add(str(data.get("content", "")))
            case "message_end":
                self._end_message()
            case "tool_start":
                self._show_tool(data)
            case "tool_end" if data.get("isError") is True:
                self._tell(f"✗ {data.get('toolName')}: {data.get('result')}")
            case _:
                pass

    def begin_again(self) -> None:
        """What comes next is from the beginning of a message, perhaps of one that stands there already."""
        self._ahead, self._done, self._text = [*self._done, *(self._ahead or [self._text])], [], ""

    def pause(self) -> None:
        """The gateway is away for a while."""
        if not self._told_of_pause:
            self._tell("… the gateway restarts; the answer goes on when it is back")
        self._told_of_pause = True

    def finish(self, reply: str) -> None:
        """The run has ended with this text; show what of it does not stand there yet."""
        if self._ahead or reply.strip() not in (self._text.strip(), *map(str.strip, self._done[-1:])):
            self.begin_again()
            self._add(reply)
            self._end_message()
        self.end_line()

    def end_line(self) -> None:
        """What is written next stands on a line of its own."""
        if self._line_is_open:
            self._write("\n")

    def _add(self, content: str) -> None:
        self._text += content
        if not self._ahead:
            self._write(content)
            return
        for index, there in enumerate(self._ahead):
            if there.startswith(self._text):
                self._pass(index)
                return
        *before, last = self._ahead
        if self._text.startswith(last):
            self._pass(len(before))
            self._ahead = []
            self._write(self._text[len(last) :])
        else:
            self._rewrite()

    def _end_message(self) -> None:
        if not self._text:
            return
        equal = [there.strip() == self._text.strip() for there in self._ahead]
        if True in equal:
            self._pass(equal.index(True))
            del self._ahead[0]
        elif self._ahead:
            self._rewrite()
        if not self._ahead:
            self.end_line()
            self._wrap = Wrap()
        self._done.append(self._text)
        self._text = ""

    def _pass(self, count: int) -> None:
        """The stream leaves these out, since they were complete."""
        self._done += self._ahead[:count]
        del self._ahead[:count]

    def _rewrite(self) -> None:
        self._pass(len(self._ahead))
        self.end_line()
        self._wrap = Wrap()
        self._write(self._text)

    def _show_tool(self, data: Mapping[str, object]) -> None:
        call = str(data.get("toolCallId"))
        if call not in self._tools:  # a continued run may tell of it again
            self._tools.add(call)
            arguments = json.dumps(data.get("args") or {}, ensure_ascii=False)
            self._tell(f"⚙ {data.get('toolName')} {'' if arguments == '{}' else arguments}")

    def _tell(self, activity: str) -> None:
        if not self._on_terminal:
            return
        self.end_line()
        dim, plain = ("\x1b[2m", "\x1b[0m") if self._in_colour else ("", "")
        self._out.write(f"{dim}  {one_line(activity, MAX_ACTIVITY_CHARS)}{plain}\n")
        self._out.flush()

    def _write(self, text: str) -> None:
        if not text:
            return
        # First: Ctrl+C may come while the text is written.
        self._line_is_open = not text.endswith("\n")
        if self._on_terminal:
            text = self._wrap.add(without_controls(text), shutil.get_terminal_size().columns)
        self._out.write(text)
        self._out.flush()
