"""The supervisor's lines, in the gateway's log file and on the terminal.

The shape is the gateway's own: one JSON object a line, `{timestamp, level, message, module}`, in
`app-YYYY-MM-DD.log`. Nothing here raises: a full disk or a vanished terminal must not end a supervisor.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import time

from xopc_supervisor.contract import is_off

MODULE = "xopc.supervisor"


class Log:
    """Writes to one directory of log files and to standard error."""

    def __init__(self, log_dir: str) -> None:
        self._log_dir = log_dir
        self._to_console = not is_off(os.environ.get("XOPC_LOG_CONSOLE"))
        self._to_file = not is_off(os.environ.get("XOPC_LOG_FILE"))

    def write(self, level: str, message: str) -> None:
        """Write one line. Errors are shown on standard error even when the console is off."""
        now = time.time()
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03}Z"
        fields = {"timestamp": stamp, "level": level, "message": message, "module": MODULE, "pid": os.getpid()}
        line = json.dumps(fields)
        if self._to_file:
            self._append(f"app-{time.strftime('%Y-%m-%d', time.localtime(now))}.log", line)
        if self._to_console or level in ("error", "fatal"):
            readable = f"{time.strftime('%H:%M:%S', time.localtime(now))} {level:5} {message}"
            say(readable if os.isatty(2) else line, to=2)

    def _append(self, name: str, line: str) -> None:
        try:
            os.makedirs(self._log_dir, mode=0o700, exist_ok=True)
            # A pipe that nobody reads is refused then, and not waited for.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
            descriptor = os.open(os.path.join(self._log_dir, name), flags, 0o600)
            try:
                os.write(descriptor, f"{line}\n".encode("utf-8", "replace"))
            finally:
                os.close(descriptor)
        except OSError:
            pass


def say(text: str, *, to: int = 1) -> None:
    """Write a line to standard output (1) or error (2), unless nobody is there any more, or does not read.

    A pipe that is full, or a terminal that somebody stopped, would otherwise stop the supervisor, too.
    """
    line = f"{text}\n".encode("utf-8", "replace")
    if len(line) > select.PIPE_BUF:
        line = line[: select.PIPE_BUF - 1] + b"\n"
    with contextlib.suppress(OSError):
        reader = select.poll()
        reader.register(to, select.POLLOUT)
        if any(events & select.POLLOUT for _, events in reader.poll(0)):
            os.write(to, line)
