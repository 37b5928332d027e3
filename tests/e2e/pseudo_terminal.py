"""A person at a terminal of their own: a command on a pty, whose words are waited for and answered."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path

import psutil

from tests.leaks import WITNESS

COLUMNS = 80
LINES = 40
SECONDS = 30.0
CALM_SECONDS = 2.0


class PseudoTerminal:
    """One command. As a context it ends the command, and all that it has started."""

    def __init__(self, command: Sequence[str | Path], environ: Mapping[str, str], directory: Path) -> None:
        self.text = ""
        """All that was shown."""
        self.code: int | None = None
        self._seen = 0
        words = [str(word) for word in command]
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(directory)
                os.execvpe(words[0], words, dict(environ))  # noqa: S606 - there is no shell in it
            finally:
                os._exit(127)
        ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.code is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._terminal)
        WITNESS.hear("what the terminal showed", self.text)

    def expect(self, words: str, seconds: float = SECONDS) -> None:
        """Wait until the words are shown behind what was expected before; however the lines are broken."""
        pattern = re.compile(r"\s+".join(map(re.escape, words.split())))
        deadline = time.monotonic() + seconds
        while (found := pattern.search(self.text, self._seen)) is None:
            assert self._read(deadline - time.monotonic()), f"no {words!r} in:\n{self.text[self._seen :]}"
        self._seen = found.end()

    def type(self, text: str) -> None:
        """Type it, and Enter."""
        self.press(f"{text}\r")

    def press(self, keys: str) -> None:
        """Press the keys, once nobody is busy: a Ctrl+C that comes just before a program waits is heard at the next key
        only."""
        deadline = time.monotonic() + CALM_SECONDS
        while self._is_busy() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.write(self._terminal, keys.encode())

    def answer(self, question: str, text: str) -> None:
        """Wait for the question, and type the answer."""
        self.expect(question)
        self.type(text)

    def choose(self, choice: str, question: str) -> None:
        """Type the number of a choice."""
        start = self._seen
        self.expect(question)
        shown = self.text[start : self._seen]
        found = [number for number, text in re.findall(r"(\d+)\) ([^\n]*(?:\n {5}[^\n]*)*)", shown) if choice in text]
        assert found, f"no choice {choice!r} in:\n{shown}"
        self.type(found[-1])

    def wait(self, seconds: float = SECONDS) -> int:
        """The exit code, once it has ended."""
        deadline = time.monotonic() + seconds
        while self._read(deadline - time.monotonic()):
            pass
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            assert time.monotonic() < deadline, f"it goes on:\n{self.text}"
            time.sleep(0.01)
        return self.code

    def _is_busy(self) -> bool:
        first = psutil.Process(self.pid)
        return any(process.status() == psutil.STATUS_RUNNING for process in (first, *first.children(recursive=True)))

    def _read(self, seconds: float) -> bool:
        """Whether there was more, in time."""
        if not select.select([self._terminal], [], [], max(0.0, seconds))[0]:
            return False
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # EIO: nobody has the other end any more
            return False
        self.text += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)
