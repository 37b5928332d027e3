"""What is logged anywhere in the process arrives in the file, complete, and without its secrets."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog

from xopc.gateway.log.log import RETRY_SECONDS, LogWriter, configure

TOKEN = "0123456789abcdef0123456789"

Configure = Callable[..., LogWriter]


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def configured(log_dir: Path) -> Iterator[Configure]:
    """Configures the log with `XOPC_LOG_<name>` variables given as keywords, for the length of a test."""
    with ExitStack() as stack:

        def configure_with(**switches: str) -> LogWriter:
            environ = {f"XOPC_LOG_{name.upper()}": value for name, value in switches.items()}
            return stack.enter_context(configure(log_dir, environ))

        yield configure_with
    structlog.reset_defaults()


def lines(log_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(log_dir.glob("app-*.log")) for line in path.read_text().splitlines()]


def test_a_line_has_time_level_sentence_module_and_fields(configured: Configure, log_dir: Path) -> None:
    configured()
    structlog.get_logger("xopc.server").info("A connection was refused.", peer="192.0.2.7", port=1)
    (line,) = lines(log_dir)
    assert list(line) == ["timestamp", "level", "message", "module", "peer", "port"]
    assert (line["level"], line["message"], line["module"]) == ("info", "A connection was refused.", "xopc.server")
    assert line["timestamp"].endswith("Z")


def test_the_levels_are_spelled_as_the_contract_spells_them(configured: Configure, log_dir: Path) -> None:
    configured(level="trace")
    log = structlog.get_logger("m")
    for name in ("trace", "debug", "info", "warn", "warning", "error", "fatal", "critical"):
        getattr(log, name)("x")
    levels = [line["level"] for line in lines(log_dir)]
    assert levels == ["trace", "debug", "info", "warn", "warn", "error", "fatal", "fatal"]


def test_lines_below_the_level_are_left_out(configured: Configure, log_dir: Path) -> None:
    configured(level="WARN")
    log = structlog.get_logger("m")
    log.info("no")
    log.warn("yes")
    assert [line["message"] for line in lines(log_dir)] == ["yes"]


def test_the_level_may_be_changed_and_each_change_is_told_whatever_the_level(
    configured: Configure, log_dir: Path
) -> None:
    writer = configured(level="error")
    log = structlog.get_logger("m")
    log.info("no")
    writer.level.set("trace")
    log.trace("yes")
    writer.level.set("fatal")
    log.error("no")
    assert [(line["level"], line["message"]) for line in lines(log_dir)] == [
        ("info", "The level of the log is trace now."),
        ("trace", "yes"),
        ("info", "The level of the log is fatal now."),
    ]


def test_a_logger_from_before_the_configuration_uses_it_and_bound_fields_stay(
    configured: Configure, log_dir: Path
) -> None:
    log = structlog.get_logger("xopc.early")
    configured()
    log.bind(channel="telegram").info("Bound.", account="a")
    assert lines(log_dir)[0] | {"timestamp": ""} == {
        "timestamp": "",
        "level": "info",
        "message": "Bound.",
        "module": "xopc.early",
        "channel": "telegram",
        "account": "a",
    }


def test_fields_named_like_parameters_are_kept(configured: Configure, log_dir: Path) -> None:
    configured()
    structlog.get_logger("m").info("x", event=1, method_name=2, message=3, self=4, level=5)
    (line,) = lines(log_dir)
    assert [line[name] for name in ("event", "method_name", "message_", "self", "level_")] == [1, 2, 3, 4, 5]


def test_an_exception_is_logged_with_its_traceback(configured: Configure, log_dir: Path) -> None:
    configured()
    log = structlog.get_logger("m")
    try:
        int("x")
    except ValueError as error:
        log.exception("It failed.")
        log.warn("It failed.", exc_info=error)
        log.warn("It failed.", exc_info=True)
    log.warn("It did not fail.", exc_info=True)
    *failures, other = lines(log_dir)
    assert [line["level"] for line in failures] == ["error", "warn", "warn"]
    assert "traceback" not in other
    for line in failures:
        assert line["traceback"].startswith("Traceback")
        assert "ValueError: invalid literal" in line["traceback"]


def test_secrets_are_masked_in_message_field_and_traceback(configured: Configure, log_dir: Path) -> None:
    configured()
    try:
        raise ValueError(f"GET /x?token={TOKEN}")  # noqa: TRY301 - its traceback is the subject
    except ValueError:
        structlog.get_logger("m").exception(f"Authorization: Bearer {TOKEN}", password="hunter2", url=f"?token={TOKEN}")
    text = "".join(path.read_text() for path in log_dir.iterdir())
    assert "hunter2" not in text
    assert TOKEN not in text
    assert text.count("012345…6789") == 3


@pytest.mark.shows_secrets("as it says")
def test_redaction_can_be_turned_off(configured: Configure, log_dir: Path) -> None:
    configured(redaction="false")
    structlog.get_logger("m").info("x", token=TOKEN)
    assert lines(log_dir)[0]["token"] == TOKEN


@pytest.mark.shows_secrets("pytest's own log is not redacted")
def test_libraries_go_through_the_same_pipe_from_warning_on(configured: Configure, log_dir: Path) -> None:
    configured()
    library = logging.getLogger("hypercorn.error")
    library.info("no")
    library.warning("Slow: token=%s", TOKEN)
    try:
        int("x")
    except ValueError:
        library.exception("It failed.")
    assert [(line["level"], line["module"], line["message"]) for line in lines(log_dir)] == [
        ("warn", "hypercorn.error", "Slow: token=012345…6789"),
        ("error", "hypercorn.error", "It failed."),
    ]
    assert "ValueError" in lines(log_dir)[1]["traceback"]


def test_a_library_that_gives_too_few_arguments_is_still_heard(configured: Configure, log_dir: Path) -> None:
    handler = configured().library_handler
    handler.handle(logging.LogRecord("quart", logging.CRITICAL, "x.py", 1, "%d and %d", (1,), None))
    assert [(line["level"], line["message"]) for line in lines(log_dir)] == [("fatal", "%d and %d (1,)")]


def test_warnings_of_the_interpreter_are_logged(configured: Configure, log_dir: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configured()
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        (line,) = lines(log_dir)
    assert line["module"] == "py.warnings"
    assert "DeprecationWarning: old" in line["message"]


@pytest.mark.parametrize(
    "switches",
    [
        {"level": "loud"},
        {"retention_days": "0"},
        {"retention_days": "a week"},
        {"retention_days": "9" * 9},
        {"max_mb": "0"},
    ],
)
def test_a_variable_that_makes_no_sense_is_a_warning(
    configured: Configure, log_dir: Path, switches: dict[str, str]
) -> None:
    configured(**switches)
    (line,) = lines(log_dir)
    ((name, value),) = switches.items()
    assert line["level"] == "warn"
    assert f"XOPC_LOG_{name.upper()}" in line["message"]
    assert line["value"] == value
    structlog.get_logger("m").info("Info is logged.")
    assert len(lines(log_dir)) == 2


def test_the_retention_is_read_from_the_environment(configured: Configure, log_dir: Path) -> None:
    log_dir.mkdir()
    (log_dir / "app-2001-01-01.log").touch()
    configured(retention_days="20000")
    structlog.get_logger("m").info("x")
    assert (log_dir / "app-2001-01-01.log").exists()


def test_the_console_gets_the_same_lines(
    configured: Configure, log_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    configured()
    structlog.get_logger("m").info("x", token=TOKEN)
    out, err = capfd.readouterr()
    assert [json.loads(err)] == lines(log_dir)
    assert out == ""


def test_console_and_file_can_be_turned_off(
    configured: Configure, log_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    configured(console="false", file="false")
    structlog.get_logger("m").error("x")
    assert not log_dir.exists()
    assert capfd.readouterr() == ("", "")


def test_a_file_that_cannot_be_written_is_told_once_and_the_lines_are_counted(
    configured: Configure, log_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log_dir.touch()
    configured()
    log = structlog.get_logger("m")
    log.info("one")
    log.info("two")
    shown = [json.loads(line)["message"] for line in capfd.readouterr().err.splitlines()]
    assert shown == ["The log file cannot be written.", "one", "two"]
    log_dir.unlink()
    log.info("three")
    assert [(line["message"], line["lost"]) for line in lines(log_dir)] == [("three", 2)]


def test_lost_lines_are_a_fault_that_ends_by_itself_though_nothing_is_logged(log_dir: Path) -> None:
    told: list[str | None] = []
    over = threading.Event()

    def tell(fault: str | None) -> None:
        told.append(fault)
        structlog.get_logger("m").error("told")  # as whoever is told does, in the midst of it
        if fault is None:
            over.set()

    log_dir.touch()
    with configure(log_dir, {"XOPC_LOG_CONSOLE": "off"}, tell):
        log = structlog.get_logger("m")
        log.info("one")
        log.info("two")
        assert told == [
            f"The log in {log_dir} cannot be written ([Errno 17] File exists: '{log_dir}'), and lines are lost: "
            "free the disk, or mend the directory's permissions."
        ]
        time.sleep(RETRY_SECONDS + 0.5)  # a retry in vain
        log_dir.unlink()
        assert over.wait(RETRY_SECONDS + 5)
        assert told[1:] == [None]
        log.info("three")
    structlog.reset_defaults()
    assert [(line["message"], line.get("lost")) for line in lines(log_dir)] == [
        ("Lines of the log were lost.", 3),
        ("told", None),
        ("three", None),
    ]


def test_a_line_that_is_written_ends_the_fault_at_once(log_dir: Path) -> None:
    told: list[str | None] = []
    log_dir.touch()
    with configure(log_dir, {"XOPC_LOG_CONSOLE": "off"}, told.append):
        structlog.get_logger("m").info("one")
        log_dir.unlink()
        structlog.get_logger("m").info("two")
        assert [fault is None for fault in told] == [False, True]
    structlog.reset_defaults()


def test_a_closed_writer_takes_libraries_off_and_leaves_the_console(
    configured: Configure, log_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    writer = configured()
    handlers = len(logging.getLogger().handlers)
    writer.close()
    writer.close()
    structlog.get_logger("m").info("late")
    assert len(logging.getLogger().handlers) == handlers - 1
    assert lines(log_dir) == []
    assert json.loads(capfd.readouterr().err)["message"] == "late"


def test_a_thread_that_hangs_in_a_line_does_not_hold_up_the_others(
    configured: Configure, log_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(console="false")
    log = structlog.get_logger("m")
    is_there, goes_on = threading.Event(), threading.Event()
    write = os.write

    def as_a_disk_that_hangs(descriptor: int, data: bytes) -> int:
        if b'"waits"' in data:
            is_there.set()
            goes_on.wait(30)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", as_a_disk_that_hangs)
    thread = threading.Thread(target=lambda: log.info("waits"))
    thread.start()
    assert is_there.wait(30)
    log.info("passed over")
    goes_on.set()
    thread.join(30)
    log.info("written")
    written = [(line["message"], line.get("lost")) for line in lines(log_dir)]
    assert written == [("waits", None), ("written", 1)]


@pytest.mark.parametrize("secret", ["correct horse battery staple", "12345678", "pässwörter-überall", "a+(b)[c]\\d"])
def test_a_secret_in_force_is_in_no_line_whatever_it_looks_like(
    configured: Configure, log_dir: Path, capfd: pytest.CaptureFixture[str], secret: str
) -> None:
    writer = configured()
    writer.known.know([secret])
    log = structlog.get_logger("m")
    log.info(f"It was {secret}.", one=secret, many=[{"deep": f"<{secret}>"}], raw=secret.encode())
    try:
        {}[secret]
    except KeyError as error:
        log.exception("It failed.", error=error)
    logging.getLogger("library").warning("said %s", secret)
    written = "".join(path.read_text() for path in log_dir.glob("app-*.log")) + capfd.readouterr().err
    assert secret not in written
    assert json.dumps(secret)[1:-1] not in written
    assert written.count("***") >= 8
    assert len(lines(log_dir)) == 3
