"""Who leads through the steps: one that asks the person at the terminal, and one that takes what is proposed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from xopc.cli.onboard.terminal import Terminal
from xopc.contracts.errors import Failure, XopcError

T = TypeVar("T")


class Guide(Protocol):
    """Leads through the steps. `option` is what answers a question on the command line."""

    @property
    def is_attended(self) -> bool:
        """Whether somebody answers, and may try again."""
        ...

    def heading(self, title: str) -> None:
        """What comes next."""
        ...

    def say(self, text: str) -> None:
        """Tell something."""
        ...

    def warn(self, text: str) -> None:
        """Tell what is odd, and goes on all the same."""
        ...

    def trouble(self, what: str, cure: str = "") -> None:
        """Tell what went wrong, to be tried again.

        Raises:
            XopcError: nobody is there to try again.
        """
        ...

    def ask(self, question: str, check: Callable[[str], T], default: str = "", *, option: str) -> T:
        """What `check` makes of the answer; it raises ValueError, with a sentence, for one that is wrong."""
        ...

    def ask_hidden(self, question: str, check: Callable[[str], T], *, option: str) -> T:
        """The same, for a secret."""
        ...

    def choose(self, question: str, choices: Sequence[tuple[T, str]], default: T) -> T:
        """One of several values, each with a text."""
        ...

    def confirm(self, question: str, *, default: bool) -> bool:
        """Yes or no."""
        ...


class Attended:
    """Asks at a terminal, and asks again after a wrong answer.

    With `takes_defaults`, what is proposed is the answer, and it is shown instead of asked for.
    """

    is_attended = True

    def __init__(self, terminal: Terminal, *, takes_defaults: bool = False) -> None:
        self._terminal = terminal
        self._takes_defaults = takes_defaults

    def heading(self, title: str) -> None:
        self._terminal.write("")
        self._terminal.write(title, bold=True)

    def say(self, text: str) -> None:
        self._terminal.write(text)

    def warn(self, text: str) -> None:
        self._terminal.write(f"⚠️  {text}")

    def trouble(self, what: str, cure: str = "") -> None:
        if self._takes_defaults:
            raise XopcError(Failure.INVALID_REQUEST, f"{what} {cure}".rstrip())
        self._terminal.write(f"❌ {what}")
        if cure:
            self._terminal.write(f"💡 {cure}")

    def ask(self, question: str, check: Callable[[str], T], default: str = "", *, option: str) -> T:
        prompt = f"{question} [{default}]: " if default else f"{question}: "
        return self._until_right(prompt, check, default, self._terminal.read, option)

    def ask_hidden(self, question: str, check: Callable[[str], T], *, option: str) -> T:
        return self._until_right(f"{question} (hidden): ", check, "", self._terminal.read_hidden, option)

    def choose(self, question: str, choices: Sequence[tuple[T, str]], default: T) -> T:
        values = [value for value, _ in choices]
        for number, (_, text) in enumerate(choices, 1):
            self._terminal.write(f"{number:>3}) {text}")

        def check(answer: str) -> T:
            if not answer.isdecimal() or not 1 <= int(answer) <= len(values):
                raise ValueError(f"Type a number from 1 to {len(values)}, and Enter.")
            return values[int(answer) - 1]

        return self.ask(question, check, str(values.index(default) + 1), option="")

    def confirm(self, question: str, *, default: bool) -> bool:
        prompt = f"{question} [{'Y/n' if default else 'y/N'}]: "
        return self._until_right(prompt, _yes_or_no, "y" if default else "n", self._terminal.read, "")

    def _until_right(
        self, prompt: str, check: Callable[[str], T], default: str, read: Callable[[str], str], option: str
    ) -> T:
        while True:
            if self._takes_defaults:
                self._terminal.write(f"{prompt}{default}")
                return _proposed(check, default, option)
            try:
                answer = read(prompt).strip()
                answer.encode()  # in the C locale, Python takes any byte, and stands something in for it
                return check(answer or default)
            except UnicodeError:
                self._terminal.write("   That is in another encoding than this terminal's: type it again.")
            except ValueError as error:
                self._terminal.write(f"   {error}")


class Unattended:
    """Takes what is proposed, says nothing, and keeps what it should warn of."""

    is_attended = False

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def heading(self, title: str) -> None:
        pass

    def say(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def trouble(self, what: str, cure: str = "") -> None:
        raise XopcError(Failure.INVALID_REQUEST, f"{what} {cure}".rstrip())

    def ask(self, question: str, check: Callable[[str], T], default: str = "", *, option: str) -> T:
        return _proposed(check, default, option)

    def ask_hidden(self, question: str, check: Callable[[str], T], *, option: str) -> T:
        return _proposed(check, "", option)

    def choose(self, question: str, choices: Sequence[tuple[T, str]], default: T) -> T:
        return default

    def confirm(self, question: str, *, default: bool) -> bool:
        return default


def _proposed(check: Callable[[str], T], default: str, option: str) -> T:
    try:
        return check(default)
    except ValueError as error:
        what = f"Nobody is asked, so {option} is needed" if not default else f"{option or default} cannot be taken"
        raise XopcError(Failure.INVALID_REQUEST, f"{what}: {error}") from None


def _yes_or_no(answer: str) -> bool:
    match answer.lower():
        case "y" | "yes":
            return True
        case "n" | "no":
            return False
        case _:
            raise ValueError("Type y or n, and Enter.")


def something(answer: str) -> str:
    """A check that takes everything but nothing."""
    if not answer:
        raise ValueError("Type something, and Enter.")
    return answer
