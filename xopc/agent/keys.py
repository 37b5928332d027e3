"""Keys of model providers: where one comes from, and how it is had when it is needed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Protocol

import trio
from attrs import define, field, frozen

from xopc.agent.providers.base import ErrorKind, ProviderError

COMMANDS = ("op", "security", "pass", "gpg")
"""The programs that may be asked for a key."""
COMMAND_SECONDS = 10.0
CACHE_SECONDS = 5 * 60.0

_SHELL_WORDS = re.compile(r"[;&|<>`*]|\$\(|\.\.")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


class Key(Protocol):
    """A key that there is, or that a program can give."""

    @property
    def source(self) -> str:
        """Where it comes from, for messages: `OPENAI_API_KEY`, `providers.openai`, `models.json`."""
        ...

    async def get(self) -> str:
        """The key itself.

        Raises:
            ProviderError: AUTH: there is none to be had.
        """
        ...


@frozen
class PlainKey:
    """A key that stands in the environment or in a file."""

    source: str
    text: str = field(repr=False)

    async def get(self) -> str:
        await trio.lowlevel.checkpoint()
        return self.text


@define(eq=False)
class CommandKey:
    """A key that a program prints. Asked at most every five minutes, by one at a time."""

    source: str
    command: tuple[str, ...]
    _text: str = field(default="", init=False, repr=False)
    _until: float = field(default=0.0, init=False)
    _lock: trio.Lock = field(factory=trio.Lock, init=False, repr=False)

    async def get(self) -> str:
        async with self._lock:
            if not self._text or trio.current_time() >= self._until:
                self._text = await self._ask()
                self._until = trio.current_time() + CACHE_SECONDS
            return self._text

    async def _ask(self) -> str:
        try:
            with trio.fail_after(COMMAND_SECONDS):
                done = await trio.run_process(self.command, capture_stdout=True, capture_stderr=True, check=False)
        except trio.TooSlowError:
            raise self._refusal(f"took longer than {COMMAND_SECONDS:.0f} s") from None
        except OSError as error:
            raise self._refusal(f"cannot be run ({error.strerror})") from None
        text = done.stdout.decode(errors="replace").strip()
        if done.returncode or not is_usable(text):
            raise self._refusal(f"exit code {done.returncode}" if done.returncode else "did not print a key")
        return text

    def _refusal(self, why: str) -> ProviderError:
        return ProviderError(ErrorKind.AUTH, f"the command {self.command[0]} of {self.source} gives no key: {why}")


def find_key(
    provider: str,
    environ: Mapping[str, str],
    configured: Mapping[str, str],
    in_file: str | None,
    warnings: list[str],
    *,
    is_literal: bool = False,
) -> Key | None:
    """The key of a provider: from the environment, `providers` of the configuration, or `models.json`.

    With `is_literal`, what `models.json` has is the key itself, and names no variable and no command. What is no key,
    and why, is added to `warnings`.
    """
    variable = variable_of(provider)
    for source, text in (
        (variable, environ.get(variable, "")),
        (f"providers.{provider}", configured.get(provider, "")),
    ):
        if text.strip():
            return _plain(source, text, warnings)
    if not in_file or not in_file.strip():
        return None
    if is_literal:
        return _plain(_source(provider), in_file, warnings)
    return _from_file(provider, in_file.strip(), environ, warnings)


def variable_of(provider: str) -> str:
    """The environment variable of a provider's key: `my-box` has `MY_BOX_API_KEY`."""
    return f"{provider.upper().replace('-', '_')}_API_KEY"


def is_usable(text: str) -> bool:
    """Whether a header can carry it."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _source(provider: str) -> str:
    return f"models.json, providers.{provider}.apiKey"


def _from_file(provider: str, text: str, environ: Mapping[str, str], warnings: list[str]) -> Key | None:
    source = _source(provider)
    if text.startswith("!"):
        return _command(source, text[1:], warnings)
    if _VARIABLE.fullmatch(text):
        if value := environ.get(text, "").strip():
            return _plain(text, value, warnings)
        # It may be a key, and is not shown.
        warnings.append(f"{source}: no environment variable of this name is set; the text is taken as the key itself")
    return _plain(source, text, warnings)


def _plain(source: str, text: str, warnings: list[str]) -> Key | None:
    if is_usable(text.strip()):
        return PlainKey(source, text.strip())
    warnings.append(f"{source}: is no key: it holds blanks, or characters that no header can carry")
    return None


def _command(source: str, line: str, warnings: list[str]) -> Key | None:
    try:
        words = tuple(shlex.split(line))
    except ValueError as error:
        words = ()
        why = f"cannot be read ({error})"
    else:
        why = "may run only " + ", ".join(COMMANDS)
    if not words or words[0] not in COMMANDS or _SHELL_WORDS.search(line):
        if words and words[0] in COMMANDS:
            why = "is run without a shell, and so may hold none of ; & | < > $( ` * .."
        warnings.append(f"{source}: the command {why}; the provider has no key")
        return None
    return CommandKey(source, words)
