"""A secret that a program prints: run without a shell, with few variables, and not for long."""

from __future__ import annotations

import os
import re
import selectors
import signal
import stat
import subprocess  # noqa: TID251 - commands read the configuration, too, and have no event loop
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from attrs import define, field

from xopc.config.secrets.file import MAX_BYTES, LostError, text_of
from xopc.contracts.settings.secrets import SecretCommand

PASSED = (
    "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
    "DBUS_SESSION_BUS_ADDRESS", "GNUPGHOME", "GPG_TTY", "PASSWORD_STORE_DIR", "SSH_AUTH_SOCK", "CREDENTIALS_DIRECTORY",
)  # fmt: skip
"""Variables that every program gets: password stores need them to find themselves, and none of them is a secret."""
SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
"""For the programs that the program runs. Whoever may write to the gateway's own PATH must not stand in for `gpg`."""
MAX_TOLD_CHARS = 200
MIN_WORD_CHARS = 4
"""A shorter word is no secret, and may be part of any sentence."""
LIKE_A_SECRET = re.compile(r"(?<![\w/.-])(?=[A-Za-z_+=:-]*[0-9])(?=[0-9_+=:-]*[A-Za-z])[\w+=:-]{16,}(?![\w/.-])")
"""A long word of letters and digits that is no path and no name of a host: a program that fails may complain of it."""
LINGER_SECONDS = 0.5
"""How long what a program has started may still print when it has ended itself."""


def run_secret_command(name: str, command: SecretCommand, environ: Mapping[str, str]) -> str:
    """What the program prints, without the line break at its end. Waits for it: call it in a thread.

    Raises:
        LostError: it fails, takes too long or prints no secret. Tells the last line of its complaint, without anything
            that it printed as the secret.
    """
    program = Path(command.command[0])
    refuse_foreign(name, program)
    try:
        process = subprocess.Popen(  # noqa: S603 - the configuration names it, and its owner alone may write there
            command.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(command, environ),
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise _lost(name, f"{program} cannot be run ({why})") from None
    heard = _Heard()
    try:
        is_whole = _listen(process, heard, command.timeout_seconds)
    finally:
        _end(process)
    if heard.is_too_long:
        raise _lost(name, f"it printed more than {MAX_BYTES // 1024} KiB")
    if not is_whole:
        raise _lost(name, f"it took longer than {command.timeout_seconds:g} s{_complaint(heard)}")
    if process.returncode:
        how = f"exit code {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
        raise _lost(name, f"it failed ({how}){_complaint(heard)}")
    return text_of(bytes(heard.output), f"what the command {name} of secrets.commands printed")


@define
class _Heard:
    """What a program has printed so far."""

    output: bytearray = field(factory=bytearray)
    errors: bytearray = field(factory=bytearray)

    @property
    def is_too_long(self) -> bool:
        return len(self.output) > MAX_BYTES


def refuse_foreign(name: str, program: Path) -> None:
    """Refuse a program that is not there, or that another user could exchange.

    Raises:
        LostError: it can be written by others.
    """
    try:
        status = program.stat()
    except OSError as error:
        raise _lost(name, f"{program} cannot be run ({error.strerror})") from None
    if not stat.S_ISREG(status.st_mode):
        raise _lost(name, f"{program} is not a program")
    if status.st_mode & 0o022 or status.st_uid not in (0, os.geteuid()):
        raise _lost(name, f"{program} can be changed by other users: chmod go-w it, and let root or yourself own it")


def _environment(command: SecretCommand, environ: Mapping[str, str]) -> dict[str, str]:
    passed = {key: environ[key] for key in (*PASSED, *command.pass_env) if key in environ}
    return {"PATH": SEARCH_PATH, **passed}


def _listen(process: subprocess.Popen[bytes], heard: _Heard, seconds: float) -> bool:
    """Take in what a program prints; False where it was not done within the time, or printed too much."""
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for stream, into in ((process.stdout, heard.output), (process.stderr, heard.errors)):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, into)
        while selector.get_map():
            has_ended = _has_ended(process)
            if has_ended:
                deadline = min(deadline, time.monotonic() + LINGER_SECONDS)
            left = deadline - time.monotonic()
            if left <= 0:
                break
            for key, _ in selector.select(min(left, 0.05)):
                _take(selector, key)
            if heard.is_too_long:
                return False
            if has_ended and not selector.select(0):
                break  # what it started holds its output open, and says nothing
        while not _has_ended(process) and (left := deadline - time.monotonic()) > 0:
            selector.select(min(left, 0.01))  # it has closed both
    return _has_ended(process)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has; it is not reaped, so that its number stays its own until its group is killed."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _take(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    data = os.read(key.fd, 65536)
    if data:
        key.data.extend(data)
        del key.data[: -2 * MAX_BYTES]
    else:
        selector.unregister(key.fileobj)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of it behind, but for what has made itself a session of its own, as agents of keys do."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _complaint(heard: _Heard) -> str:
    """The last line that a program wrote to standard error, without what it wrote to standard output, and without what
    looks like a secret."""
    lines = [line.strip() for line in heard.errors.decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        return ""
    line = "".join(sign if sign.isprintable() else " " for sign in lines[-1])
    printed = {word for word in heard.output.decode(errors="replace").split() if len(word) >= MIN_WORD_CHARS}
    for word in sorted(printed, key=len, reverse=True):
        line = line.replace(word, "***")
    line = LIKE_A_SECRET.sub("***", line[: 4 * MAX_TOLD_CHARS])
    return f": {line[:MAX_TOLD_CHARS]}"


def _lost(name: str, why: str) -> LostError:
    return LostError(f"the command {name} of secrets.commands gives no secret: {why}")
