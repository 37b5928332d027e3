"""`xopc gateway logs`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from xopc.cli.gateway.logs import for_people, logs

XOPC = Path(sys.executable).with_name("xopc")


def write(home: Path, *lines: str, day: str = "2026-01-01") -> None:
    directory = home / ".xopc" / "logs"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f"app-{day}.log").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def entry(number: int, **more: object) -> str:
    fields = {"timestamp": "2026-01-01T12:00:00.000Z", "level": "info", "message": f"number {number}", **more}
    return json.dumps(fields)


def numbers(text: str) -> list[int]:
    return [int(line.split("number ")[1].split()[0]) for line in text.splitlines() if "number " in line]


@pytest.mark.parametrize(("lines", "first"), [(None, 101), (100, 51), (20, 131), (1, 150), (1000, 1)])
def test_rows_055_056_057_the_last_lines_newest_last(
    home: Path, capsys: pytest.CaptureFixture[str], lines: int | None, first: int
) -> None:
    write(home, *(entry(number) for number in range(1, 101)))
    write(home, *(entry(number) for number in range(101, 151)), day="2026-01-02")
    assert (logs() if lines is None else logs(lines=lines)) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0] == f"📜 Last {lines or 50} lines of gateway logs:"
    assert numbers(text) == list(range(first, 151))


def test_as_json_the_lines_are_what_stands_in_the_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(home, entry(1), entry(2))
    assert logs(as_json=True) == 0
    assert capsys.readouterr().out == f"{entry(1)}\n{entry(2)}\n"


def test_without_logs_that_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert logs() == 0
    assert capsys.readouterr().out == "No logs found\n"
    assert logs(as_json=True) == 0
    assert capsys.readouterr().out == ""


def test_the_directory_can_be_another(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, entry(7))
    (home / ".xopc" / "logs").rename(home / "elsewhere")
    monkeypatch.setenv("XOPC_LOG_DIR", str(home / "elsewhere"))
    assert logs() == 0
    assert numbers(capsys.readouterr().out) == [7]


def test_a_line_is_readable_with_its_date_and_fields() -> None:
    at = datetime.fromisoformat("2026-01-01T12:00:00Z").astimezone()
    text = for_people(entry(1, level="warn", module="xopc.gateway", took_ms=5))
    assert text == f"{at:%Y-%m-%d %H:%M:%S} warn  number 1 [xopc.gateway] took_ms=5\n"


def test_a_traceback_follows_its_line() -> None:
    first, *rest = for_people(entry(1, module="m", traceback="Traceback\n  File x")).splitlines()
    assert "Traceback" not in first
    assert [line.strip() for line in rest] == ["Traceback", "File x"]


@pytest.mark.parametrize(
    "line",
    ["a plain line", "{", "[1]", "null", "5", '{"a": 1}', '{"timestamp": "x", "message": "m"}', '{"timestamp": 5}', ""],
)
def test_what_is_no_log_line_is_shown_as_it_is(line: str) -> None:
    assert for_people(line) == f"{line}\n"


def test_nothing_in_a_line_moves_the_terminals_cursor() -> None:
    assert "\x1b" not in for_people("torn \x1b[2J")
    assert "\x1b" not in for_people(entry(1, message="\x1b[2J", module="m"))


def test_an_unknown_level_does_not_matter_where_there_is_colour() -> None:
    assert "number 1" in for_people(entry(1, level="loud", module="m"), colour=True)
    assert "\x1b[" in for_people(entry(1, module="m"), colour=True)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_row_058_follow_shows_new_lines_within_a_second_and_ends_with_0(home: Path, flags: list[str]) -> None:
    write(home, entry(1))
    command = [XOPC, "gateway", "logs", "--follow", "--lines", "5", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        if not flags:
            assert process.stdout.readline() == "📜 Following gateway logs (Ctrl+C to exit)...\n"
        assert "number 1" in process.stdout.readline()
        for number, day in ((2, "2026-01-01"), (3, "2026-01-02")):
            written = time.monotonic()
            write(home, entry(number), day=day)
            assert f"number {number}" in process.stdout.readline()
            assert time.monotonic() - written < 1
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")


def test_follow_waits_for_the_first_log(home: Path) -> None:
    with subprocess.Popen([XOPC, "gateway", "logs", "-f", "--json"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        write(home, entry(1))
        assert process.stdout.readline() == f"{entry(1)}\n"
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(10) == 0
