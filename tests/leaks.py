"""Where secrets got out: every test ends with a search of all that was written for those that it planted.

Planted is what a test's module names as a token, a secret, a password or a key, and what its configurations, keys of
models and environment hold as a secret. Searched are the output and the log of the test, the output and the command
line of each process, each answer of the API, and each file below the home but for those where secrets belong. A find
names the place and never the secret.
"""

from __future__ import annotations

import mmap
import os
import re
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from tests.fakes.telegram_server import TOKEN as BOT_TOKEN
from tests.fakes.turns import KEY
from xopc.cli.secrets.plain import in_configuration, in_models
from xopc.config.load import load_document
from xopc.contracts.errors import ConfigError
from xopc.core.redact import is_secret_name

MIN_CHARS = 12
"""Shorter ones are found in any text."""
ALWAYS = frozenset({BOT_TOKEN, KEY})
MOST_BYTES = 256 * 1024 * 1024
"""Of a file that is searched; what is larger is one without content."""
MOST_KEPT_BYTES = 1024
"""Of a file that holds one secret."""
OWN_FOLDERS = frozenset({"accepted", "credentials", "secrets"})
"""Of a state directory, or of one that a restore has moved aside: what stands in them is meant to."""

_NAME = re.compile(r"(?i)(.*_)?(token|secret|password|api_?key)|KEY")
_CONFIGURATION = re.compile(r"\.json(\.bak(\.[0-9]+)?)?$")


@define
class Witness:
    """What one test has written so far."""

    homes: dict[Path, None] = field(factory=dict[Path, None])
    secrets: set[str] = field(factory=lambda: set(ALWAYS))
    _outputs: list[list[str]] = field(factory=list[list[str]])
    _told: list[tuple[str, str]] = field(factory=list[tuple[str, str]])

    def forget(self) -> None:
        """Begin with another test."""
        self.homes.clear()
        self._outputs.clear()
        self._told.clear()
        self.secrets.clear()
        self.secrets |= ALWAYS

    def follow(self, home: Path, environ: Mapping[str, str], output: list[str]) -> None:
        """A gateway lives in a home; its output goes on to grow."""
        self.homes[home] = None
        self.plant(*(value for name, value in environ.items() if is_secret_name(name) and name not in os.environ))
        self._plant_files(home)
        self._outputs.append(output)

    def plant(self, *secrets: str) -> None:
        """These are to be seen nowhere."""
        self.secrets |= {secret.strip() for secret in secrets if len(secret.strip()) >= MIN_CHARS}

    def plant_constants(self, module: Mapping[str, object]) -> None:
        """What a module of tests calls a secret. A word, since sentences and keys of sessions are none."""
        for name, value in module.items():
            if isinstance(value, str) and _NAME.fullmatch(name) and not re.search(r"[\s]|^[a-z]+:[a-z]+:", value):
                self.plant(value)

    def hear(self, where: str, text: str) -> None:
        """Something was told to somebody."""
        self._told.append((where, text))

    def see_processes(self, session: int) -> None:
        """The command lines of the processes of a gateway that are there now, which every user can read."""
        for process in Path("/proc").iterdir():
            if process.name.isdecimal():
                with suppress(OSError, ValueError, IndexError):
                    if int((process / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                        words = (process / "cmdline").read_bytes().split(b"\0")
                        self.hear("the command line of a process", "\n".join(map(os.fsdecode, words)))

    def finds(self) -> list[str]:
        """Each place where a secret is, and which one by its number."""
        for home in self.homes:
            self._plant_files(home)
        texts = [*self._told, *(("the output of the gateway", "".join(output)) for output in self._outputs)]
        found = [
            f"{where}, line {text.count(chr(10), 0, text.index(secret)) + 1}: {_shape(secret)}"
            for where, text in texts
            for secret in self.secrets
            if secret in text
        ]
        for home in self.homes:
            found += [find for path in _files(home) for find in _in_file(path, home, self.secrets)]
        return list(dict.fromkeys(found))

    def _plant_files(self, home: Path) -> None:
        for state in home.glob(".xopc*"):
            for path in [*state.glob("xopc.json*"), *state.glob("accepted/*.json")]:
                with suppress(ConfigError, OSError):
                    document = load_document(path)
                    self.plant(*(secret for _, secret in in_configuration(document.values if document else {})))
            with suppress(ConfigError, OSError):
                models = load_document(state / "models.json")
                self.plant(*(secret for _, secret in in_models(models.values if models else {})))
            for path in (state / "secrets").glob("*"):
                with suppress(OSError, UnicodeDecodeError):
                    self.plant(path.read_text("utf-8"))


WITNESS = Witness()
"""Of the test that runs: one process runs one at a time."""


class Search:
    """A plugin of pytest: no secret of a test got out. A test that shows one says so, with
    `@pytest.mark.shows_secrets("why")`."""

    def pytest_configure(self) -> None:
        """Listen to what a test would keep for itself."""
        sys.addaudithook(_hear_started)
        _listen(pytest.CaptureFixture, "readouterr", _hear_printed)
        _listen(subprocess.Popen, "communicate", _hear_output)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin anew."""
        WITNESS.forget()
        if isinstance(item, pytest.Function):
            WITNESS.plant_constants(vars(item.module))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """When all of a test has ended, its captured output is complete."""
        report = yield
        if call.when == "teardown" and not item.get_closest_marker("shows_secrets"):
            for title, text in report.sections:
                WITNESS.hear(title.lower(), text)
            home = item.funcargs.get("tmp_path") if isinstance(item, pytest.Function) else None
            if isinstance(home, Path):
                WITNESS.homes[home] = None
            if found := WITNESS.finds():
                report.outcome, report.longrepr = "failed", "Secrets got out:\n" + "\n".join(found)
        return report


def _hear_started(event: str, args: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen":
        words = _words(args[1])
        # What follows `--token` is what a person typed: the gateway does not leave it there.
        told = [word for before, word in zip(["", *words], words, strict=False) if before != "--token"]
        WITNESS.hear("the command line of a process", "\n".join(told))


def _hear_output(process: subprocess.Popen[Any], told: tuple[Any, Any]) -> None:
    words = _words(process.args)
    if not {"gateway", "token"} <= set(words):  # which is there to show it
        name = " ".join([Path(words[0]).name, *(word for word in words[1:3] if word.isprintable() and " " not in word)])
        WITNESS.hear(f"the output of {name}", "".join(map(_text, told)))


def _hear_printed(_: object, told: tuple[Any, Any]) -> None:
    WITNESS.hear("what the test printed", "".join(map(_text, told)))


def _listen(owner: type, name: str, hear: Callable[[Any, tuple[Any, Any]], None]) -> None:
    real: Callable[..., tuple[Any, Any]] = getattr(owner, name)

    def heard(self: object, *args: object, **options: object) -> tuple[Any, Any]:
        told = real(self, *args, **options)
        hear(self, told)
        return told

    setattr(owner, name, heard)


def _words(args: Any) -> list[str]:  # noqa: ANN401 - a command, as `subprocess` takes it
    return [os.fsdecode(word) for word in ([args] if isinstance(args, (str, bytes, Path)) else args)]


def _text(told: str | bytes | None) -> str:
    return told.decode(errors="replace") if isinstance(told, bytes) else told or ""


def _files(home: Path) -> Iterator[Path]:
    linked = {path.resolve() for path in home.glob(".xopc*/xopc.json")}
    for directory, folders, names in os.walk(home):
        here = Path(directory)
        if any(part.startswith(".xopc") for part in here.relative_to(home).parts):
            folders[:] = [name for name in folders if name not in OWN_FOLDERS]
        files = (here / name for name in names if not _belongs(name))
        yield from (path for path in files if path not in linked and not _is_configuration(path, home))


def _belongs(name: str) -> bool:
    """Whether secrets belong into a file of this name: a person's own, what keeps it, and what the fake gateway got."""
    return (
        name == "requests"
        or name.lstrip(".").startswith(("xopc.json", "models.json"))
        or name.endswith((".env", ".pem", ".key", ".before-fix"))
    )


def _is_configuration(path: Path, home: Path) -> bool:
    """Whether it is one that the test wrote itself, outside of the state directories, and named to the gateway; or a
    copy that an edit left beside it."""
    if not _CONFIGURATION.search(path.name) or path.relative_to(home).parts[0].startswith(".xopc"):
        return False
    with suppress(ConfigError, OSError):
        document = load_document(path)
        return document is not None and "gateway" in document.values
    return False


def _in_file(path: Path, home: Path, secrets: set[str]) -> Iterator[str]:
    with suppress(OSError, ValueError):  # it has gone, is no file, or is empty
        # What a link leads to is searched where it is.
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_BYTES:
            return
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if len(content) <= MOST_KEPT_BYTES and content[:].strip().decode(errors="replace") in secrets:
                return  # what holds a secret and nothing else is there to keep it
            for secret in secrets:
                at = content.find(secret.encode())
                if at >= 0:
                    line = content[:at].count(b"\n") + 1
                    yield f"{path.relative_to(home)}, line {line}: {_shape(secret)}"


def _shape(secret: str) -> str:
    """Which secret it is, for those who know the test's: its two ends."""
    return f"{secret[:3]}…{secret[-2:]} ({len(secret)} characters)"
