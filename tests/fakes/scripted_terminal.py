"""A terminal at which the answers are known beforehand."""

from __future__ import annotations

import re
from collections import deque
from typing import TypeAlias

Answer: TypeAlias = "str | type[BaseException]"


class ScriptedTerminal:
    """Gives the answers in their order; `>text` is the number of the choice that holds the text.

    An exception's class is raised. A question without an answer fails the test, and so does `finish` with one left.
    """

    def __init__(self, *answers: Answer) -> None:
        self.answers = deque(answers)
        self.lines: list[str] = []
        """All that was shown, questions included."""
        self.hidden: list[str] = []
        """The questions whose answers were not shown."""

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def write(self, text: str, *, bold: bool = False) -> None:
        self.lines.append(text)

    def read(self, prompt: str) -> str:
        self.lines.append(prompt)
        assert self.answers, f"nobody answers {prompt!r} after\n{self.text}"
        answer = self.answers.popleft()
        if not isinstance(answer, str):
            raise answer
        return self._number(answer[1:]) if answer.startswith(">") else answer

    def read_hidden(self, prompt: str) -> str:
        self.hidden.append(prompt)
        return self.read(prompt)

    def finish(self) -> None:
        """See that every answer was asked for."""
        assert not self.answers, f"not asked for: {list(self.answers)}\n{self.text}"

    def _number(self, text: str) -> str:
        for line in reversed(self.lines):
            found = re.match(r" *(\d+)\) ", line)
            if found and text in line:
                return found[1]
        raise AssertionError(f"there is no choice {text!r} in\n{self.text}")
