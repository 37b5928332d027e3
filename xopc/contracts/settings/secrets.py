"""`secrets` in the configuration file: the programs that may be asked for a secret."""

from __future__ import annotations

import re

from attrs import field, frozen

MAX_COMMAND_SECONDS = 60


def _is_argv(_: object, __: object, command: tuple[str, ...]) -> None:
    if not command or not command[0].startswith("/"):
        raise ValueError('must begin with the absolute path of a program: ["/usr/bin/pass", "show", "openai"]')
    if any("\0" in word for word in command):
        raise ValueError("holds a NUL")


def _is_timeout(_: object, __: object, seconds: float) -> None:
    if not 0.1 <= seconds <= MAX_COMMAND_SECONDS:
        raise ValueError(f"must be 0.1 to {MAX_COMMAND_SECONDS}")


def _are_variables(_: object, __: object, names: tuple[str, ...]) -> None:
    for name in names:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(f'"{name[:64]}" is not the name of an environment variable')


def _are_names(_: object, __: object, commands: dict[str, SecretCommand]) -> None:
    for name in commands:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise ValueError("a command's name must be 1 to 64 letters, digits, dots, dashes and underscores")


@frozen
class SecretCommand:
    """`secrets.commands.<name>`: a program that prints a secret, for `${command:<name>}`."""

    command: tuple[str, ...] = field(validator=_is_argv)
    """The absolute path of the program, and its arguments. No shell reads them."""
    timeout_seconds: float = field(default=10, validator=_is_timeout)
    """After so long it is killed."""
    pass_env: tuple[str, ...] = field(default=(), validator=_are_variables)
    """Environment variables that it gets beside the few that every program does."""


@frozen
class SecretsSettings:
    """`secrets`: where secrets come from."""

    commands: dict[str, SecretCommand] = field(factory=dict[str, SecretCommand], validator=_are_names)
