"""Lines on a terminal are for a person, lines elsewhere for a program, and neither can stop the gateway."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from xopc.core.redact import Plain
from xopc.gateway.log.console import Console

LINE: dict[str, Plain] = {
    "timestamp": "2026-11-20T12:00:00.000Z",
    "level": "info",
    "message": "It happened.",
    "module": "xopc.test",
}


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal: where its reader reads, and where programs write."""
    reader, writer = os.openpty()
    yield reader, writer
    for fd in (reader, writer):
        os.close(fd)


FOREGROUND = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
attributes = termios.tcgetattr(0)
attributes[3] |= termios.TOSTOP
termios.tcsetattr(0, termios.TCSANOW, attributes)
pid = os.posix_spawn(sys.executable, [sys.executable, "-c", sys.argv[1]], os.environ, setpgroup=0)
_, status = os.waitpid(pid, os.WUNTRACED)
if os.WIFSTOPPED(status):
    os.kill(pid, signal.SIGKILL)
sys.exit(os.WIFSTOPPED(status))
"""
"""Makes standard input its controlling terminal, with `tostop`, and starts a program in the background of it."""

BACKGROUND = f"from xopc.gateway.log.console import Console; Console(2, {{}}).write({LINE})"


def read(fd: int) -> str:
    return os.read(fd, 65536).decode()


def test_a_terminal_gets_a_readable_line_in_colour(terminal: tuple[int, int]) -> None:
    Console(terminal[1], {"TERM": "xterm"}).write(LINE)
    text = read(terminal[0])
    assert "It happened." in text
    assert "\x1b[32minfo" in text


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colour_can_be_refused(terminal: tuple[int, int], environ: dict[str, str]) -> None:
    Console(terminal[1], environ).write(LINE)
    assert "\x1b" not in read(terminal[0])


def test_a_pipe_gets_json(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    Console(writer, {}).write({**LINE, "n": 1})
    os.close(writer)
    assert json.loads(read(reader)) == {**LINE, "n": 1}
    os.close(reader)


def test_a_regular_file_gets_all_of_a_long_line(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        Console(out.fileno(), {}).write({**LINE, "text": "x" * 10_000})
    assert json.loads((tmp_path / "out").read_text())["text"] == "x" * 10_000


def test_a_terminal_that_has_gone_is_survived() -> None:
    reader, writer = os.openpty()
    console = Console(writer, {})
    os.close(reader)
    console.write(LINE)
    os.close(writer)


def test_a_pipe_whose_reader_has_gone_is_survived() -> None:
    reader, writer = os.pipe()
    console = Console(writer, {})
    os.close(reader)
    console.write(LINE)
    os.close(writer)


def test_a_descriptor_that_is_closed_is_survived() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    Console(writer, {}).write(LINE)


def test_a_full_pipe_is_not_waited_for() -> None:
    reader, writer = os.pipe()
    console = Console(writer, {})
    began = time.monotonic()
    for _ in range(2_000):
        console.write(LINE)
    assert time.monotonic() - began < 5
    for fd in (reader, writer):
        os.close(fd)


def test_a_stopped_terminal_is_not_waited_for(terminal: tuple[int, int]) -> None:
    console = Console(terminal[1], {})
    termios.tcflow(terminal[1], termios.TCOOFF)
    began = time.monotonic()
    console.write(LINE)
    assert time.monotonic() - began < 5
    termios.tcflow(terminal[1], termios.TCOON)
    console.write({**LINE, "message": "It goes on."})
    assert "It goes on." in read(terminal[0])


def test_a_terminal_that_stops_writers_in_the_background_does_not_stop_the_gateway(terminal: tuple[int, int]) -> None:
    command = [sys.executable, "-c", FOREGROUND, BACKGROUND]
    fd = terminal[1]
    done = subprocess.run(command, stdin=fd, stdout=fd, stderr=fd, start_new_session=True, timeout=30, check=False)
    assert done.returncode == 0
    assert "It happened." in read(terminal[0])
