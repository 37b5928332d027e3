import contextlib
import json
import os
import select
from pathlib import Path

import pytest

from xopc_supervisor.log import Log, say


def test_a_line_is_json_in_the_file_of_the_day_and_on_a_console_that_is_no_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Log(str(tmp_path / "logs")).write("warn", "Something.")
    (file,) = (tmp_path / "logs").glob("app-????-??-??.log")
    line = json.loads(file.read_text())
    assert (line["level"], line["message"], line["module"]) == ("warn", "Something.", "xopc.supervisor")
    assert line["timestamp"].endswith("Z")
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(capfd.readouterr().err) == line


def test_a_line_is_readable_on_a_terminal(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    kept = os.dup(2)
    os.dup2(theirs, 2)
    try:
        Log(str(tmp_path)).write("warn", "Something.")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    assert b" warn  Something.\r\n" in os.read(ours, 200)
    os.close(ours)
    os.close(theirs)


def test_a_silent_console_still_shows_errors(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XOPC_LOG_CONSOLE", "false")
    log = Log(str(tmp_path))
    log.write("info", "quiet")
    log.write("error", "loud")
    shown = capfd.readouterr().err
    assert "quiet" not in shown
    assert "loud" in shown


def test_the_file_can_be_turned_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XOPC_LOG_FILE", "false")
    Log(str(tmp_path / "logs")).write("info", "x")
    assert not (tmp_path / "logs").exists()


def test_a_pipe_by_its_name_is_not_waited_for(tmp_path: Path) -> None:
    log = Log(str(tmp_path))
    log.write("info", "x")
    (file,) = tmp_path.iterdir()
    file.unlink()
    os.mkfifo(file)
    log.write("info", "y")


def test_a_directory_that_cannot_be_made_is_survived(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    Log(str(tmp_path / "logs")).write("info", "x")


def test_a_vanished_terminal_is_survived() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    say("to nobody", to=writer)
    os.close(writer)


def test_a_pipe_that_nobody_reads_does_not_stop_whoever_speaks() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    say("nobody hears this", to=writer)
    os.read(reader, 65536)
    say("f\udcfcr Ana", to=writer)
    os.set_blocking(reader, False)
    heard = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            heard += os.read(reader, 65536)
    assert heard.lstrip(b"x") == b"f?r Ana\n"
    os.close(reader)
    os.close(writer)


def test_a_line_that_may_not_fit_into_a_pipe_is_cut() -> None:
    reader, writer = os.pipe()
    say("x" * 100_000, to=writer)
    assert os.read(reader, 100_000) == b"x" * (select.PIPE_BUF - 1) + b"\n"
    os.close(reader)
    os.close(writer)
