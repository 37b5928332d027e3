"""The gateway's log: structlog and the standard library's `logging`, through one pipe to file and console.

    log = structlog.get_logger("xopc.server")
    log.info("A connection was refused.", peer="192.0.2.7")

`configure` is called once a process, first thing. The methods are synchronous: a line is some fifty microseconds of
work, and structlog's asynchronous ones need asyncio.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partialmethod
from pathlib import Path
from types import TracebackType
from typing import cast

import structlog

from xopc.core.known_secrets import KnownSecrets
from xopc.core.logs.level import LEVELS, LevelSwitch
from xopc.core.redact import Plain, redact_value
from xopc.gateway.log.console import Console
from xopc.gateway.log.file import LogFile
from xopc.gateway.log.line import compose

RETENTION_DAYS = 14
MAX_MB = 500
"""Of all files together."""
_STDERR = 2
RETRY_SECONDS = 2.0
"""After a line was lost, and then again until one is written."""
_LOCK_SECONDS = 1
_CURE = "free the disk, or mend the directory's permissions"


def configure(
    log_dir: Path, environ: Mapping[str, str], on_fault: Callable[[str | None], None] = lambda _: None
) -> LogWriter:
    """Send all logging of this process to `log_dir` and to standard error, as the `XOPC_LOG_*` variables say.

    `on_fault` hears in a sentence why lines are lost, and None when they are written again; from any thread.

    Raises nothing: what cannot be written is counted, and a variable that makes no sense is itself a warning.

    Ownership: the caller closes the writer; lines after that go to standard error alone.
    """
    level = environ.get("XOPC_LOG_LEVEL", "").strip().lower() or "info"
    retention = environ.get("XOPC_LOG_RETENTION_DAYS", "").strip() or str(RETENTION_DAYS)
    retention_days = int(retention) if re.fullmatch(r"[0-9]{1,5}", retention) else 0
    most = environ.get("XOPC_LOG_MAX_MB", "").strip() or str(MAX_MB)
    most_mb = int(most) if re.fullmatch(r"[0-9]{1,7}", most) else 0
    writer = LogWriter(
        level=LevelSwitch(level if level in LEVELS else "info"),
        file=None if _is_off(environ, "XOPC_LOG_FILE") else _log_file(log_dir, retention_days, most_mb),
        console=None if _is_off(environ, "XOPC_LOG_CONSOLE") else Console(_STDERR, environ),
        redacts=not _is_off(environ, "XOPC_LOG_REDACTION"),
        on_fault=on_fault,
    )
    structlog.configure(processors=[], wrapper_class=Log, logger_factory=writer.module, cache_logger_on_first_use=False)
    logging.getLogger().addHandler(writer.library_handler)
    logging.captureWarnings(True)

    log = structlog.get_logger("xopc.log")
    if level not in LEVELS:
        log.warn(f"XOPC_LOG_LEVEL is not a level, so it is info. Use one of {', '.join(LEVELS)}.", value=level)
    if not retention_days:
        log.warn(
            f"XOPC_LOG_RETENTION_DAYS is not a number of days, 1 to 99999, so it is {RETENTION_DAYS}.", value=retention
        )
    if not most_mb:
        log.warn(f"XOPC_LOG_MAX_MB is not a number of megabytes, 1 to 9999999, so it is {MAX_MB}.", value=most)
    return writer


def _log_file(directory: Path, retention_days: int, most_mb: int) -> LogFile:
    return LogFile(directory, retention_days or RETENTION_DAYS, (most_mb or MAX_MB) * 1024 * 1024)


class LogWriter:
    """Where all lines of the process come together. May be used from any thread."""

    def __init__(
        self,
        *,
        level: LevelSwitch,
        file: LogFile | None,
        console: Console | None,
        redacts: bool,
        on_fault: Callable[[str | None], None],
    ) -> None:
        self.level = level
        """May be changed while lines are written."""
        level.on_change = self._tell_level
        self._file = file
        self._console = console
        self.known = KnownSecrets()
        """The secrets in force, which no line shows."""
        self._redacts = redacts
        self._lock = threading.RLock()
        self._on_fault = on_fault
        self._is_at_fault = False
        self._telling = threading.RLock()
        """Held while a change is told, so that two threads tell theirs in the order in which they happened."""
        self.library_handler = _LibraryHandler(self)

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Take libraries off the pipe and close the file."""
        logging.captureWarnings(False)
        logging.getLogger().removeHandler(self.library_handler)
        with self._turn() as mine:
            file, self._file = self._file, None
            if file is not None and mine:  # a descriptor that another thread hangs in is left to it
                file.close()

    def module(self, name: str = "xopc") -> Module:
        """What structlog wraps for `get_logger(name)`."""
        return Module(self, name)

    def write(self, level: str, module: str, message: str, fields: Mapping[str, object]) -> None:
        """Write one line to file and console, if its level is high enough.

        Never raises. Waits a second at most for another thread's line.
        """
        if self.level.admits(level):
            self._put(level, module, message, fields)

    def _tell_level(self, what: str) -> None:
        self._put("info", "xopc.log", what, {})

    def _put(self, level: str, module: str, message: str, fields: Mapping[str, object]) -> None:
        now = datetime.now(UTC)
        line = compose(now, level, module, message, fields)
        if self._redacts:
            line = cast("dict[str, Plain]", self.known.hide(redact_value(line)))
        with self._turn() as mine:
            if mine:
                self._write(now, line)
            elif self._file is not None:
                self._file.lost += 1
                self._fail("another line hangs in it")

    @contextmanager
    def _turn(self) -> Generator[bool]:
        # Entered twice by one thread when a warning is caught in the midst of `_write` itself.
        mine = self._lock.acquire(timeout=_LOCK_SECONDS)
        try:
            yield mine
        finally:
            if mine:
                self._lock.release()

    def _write(self, now: datetime, line: dict[str, Plain]) -> None:
        if self._file is not None:
            error = self._file.write(now, line)
            if error is not None and self._file.lost == 1 and self._console is not None:
                fields = {"error": str(error), "cure": _CURE}
                self._console.write(compose(now, "error", "xopc.log", "The log file cannot be written.", fields))
            if error is not None:
                self._fail(str(error))
            else:
                self._recover()
        if self._console is not None:
            self._console.write(line)

    def _fail(self, what: str) -> None:
        """Tell that lines are lost, and try again by and by: there may be nothing to log for hours."""
        with self._telling:
            if self._is_at_fault or self._file is None:
                return
            self._is_at_fault = True
            self._on_fault(
                f"The log in {self._file.directory} cannot be written ({what}), and lines are lost: {_CURE}."
            )
            self._try_later()

    def _recover(self) -> None:
        with self._telling:
            if self._is_at_fault:
                self._is_at_fault = False
                self._on_fault(None)

    def _try_later(self) -> None:
        timer = threading.Timer(RETRY_SECONDS, self._try_again)
        timer.daemon = True
        with suppress(RuntimeError):  # no more threads: the next line tries
            timer.start()

    def _try_again(self) -> None:
        now = datetime.now(UTC)
        with self._turn() as mine:
            if not self._is_at_fault or self._file is None:
                return
            line = compose(now, "warn", "xopc.log", "Lines of the log were lost.", {})
            if mine and self._file.write(now, line, counts=False) is None:
                self._recover()
            else:
                self._try_later()


class Module:
    """A name at the writer: what structlog's loggers wrap."""

    def __init__(self, writer: LogWriter, name: str) -> None:
        self._writer = writer
        self._name = name

    def write(self, level: str, message: str, fields: Mapping[str, object]) -> None:
        self._writer.write(level, self._name, message, fields)


class Log(structlog.BoundLoggerBase):
    """What `structlog.get_logger` gives: a method a level, and `bind` for fields that many lines share.

    It passes by structlog's processors, whose keyword arguments keep names such as `event` from being fields.
    """

    def _write(self, level: str, message: str, /, **fields: object) -> None:
        self._logger.write(level, message, {**self._context, **fields})

    def exception(self, message: str, /, **fields: object) -> None:
        """`error`, with the traceback of the exception being handled."""
        self._write("error", message, **{"exc_info": sys.exc_info(), **fields})

    trace = partialmethod(_write, "trace")
    debug = partialmethod(_write, "debug")
    info = partialmethod(_write, "info")
    warn = warning = partialmethod(_write, "warn")
    error = partialmethod(_write, "error")
    fatal = critical = partialmethod(_write, "fatal")


class _LibraryHandler(logging.Handler):
    """Takes what libraries log with the standard library, from warning on."""

    def __init__(self, writer: LogWriter) -> None:
        super().__init__(logging.WARNING)
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit the text
            message = f"{record.msg} {record.args}"
        fields = {"exc_info": record.exc_info} if record.exc_info else {}
        self._writer.write(_level_of(record.levelno), record.name, message, fields)


def _level_of(number: int) -> str:
    if number >= logging.CRITICAL:
        return "fatal"
    return "error" if number >= logging.ERROR else "warn"


def _is_off(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").strip().lower() in {"0", "false", "no", "off"}
