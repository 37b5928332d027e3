"""Reads command lines that may start a gateway: directly, through a shell, or in the text of a cron job."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from attrs import frozen

from xopc.config.paths import Paths
from xopc.service.audit.rules import paths_of
from xopc.service.identity import runs_gateway

_SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "fish", "ash"}
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_OPERATORS = re.compile(r"[;&|()<>]+")
_ADMINISTRATION = {"status", "stop", "restart", "logs", "token", "tree", "service", "unlock", "health"}
"""Commands below `xopc gateway` that start none."""
_WRAPPERS = frozenset(
    {
        *("env", "nice", "ionice", "nohup", "setsid", "flock", "timeout", "stdbuf", "time", "chrt", "taskset"),
        *("caffeinate", "dbus-run-session", "systemd-inhibit", "sudo", "doas", "runuser", "su", "chpst", "setpriv"),
        *("exec", "command", "while", "until", "for", "if", "then", "elif", "else", "do", "!", "{"),
    }
)
"""Programs and words of a shell behind which another command may stand."""
_MAX_DEPTH = 4


@frozen
class Start:
    """A command that starts a gateway."""

    arguments: tuple[str, ...]
    variables: Mapping[str, str]
    """Those that the command line itself sets."""

    def paths(self, environment: Mapping[str, str]) -> Paths | None:
        """The files of that gateway, in an environment; None where it names no usable place."""
        return paths_of(self.arguments, {**environment, **self.variables})


def find_start(argv: Sequence[str], depth: int = 0) -> Start | None:
    """What of an argument vector starts a gateway, wrappers such as `env`, `nice` and shells looked through."""
    if depth > _MAX_DEPTH:
        return None
    variables: dict[str, str] = {}
    is_wrapped = False
    for position, word in enumerate(argv):
        rest = argv[position:]
        if _starts(rest):
            return Start(tuple(rest), variables)
        if PurePath(word).name in _SHELLS:
            found = _in_shell(rest[1:], depth)
            return Start(found.arguments, {**variables, **found.variables}) if found else None
        if assigned := _ASSIGNMENT.fullmatch(word):
            variables[assigned[1]] = assigned[2]
        elif PurePath(word).name in _WRAPPERS:
            is_wrapped = True
        elif not is_wrapped:
            return None  # a program of its own, whatever it does with the rest
    return None


def find_start_in(text: str, depth: int = 0) -> Start | None:
    """What of a shell's text starts a gateway."""
    for command in _commands(text):
        found = find_start(command, depth + 1)
        if found is not None:
            return found
    return None


def _in_shell(arguments: Sequence[str], depth: int) -> Start | None:
    """`-c TEXT`, with other letters before the c or after it."""
    for position, word in enumerate(arguments[:-1]):
        if word.startswith("-") and not word.startswith("--") and "c" in word:
            return find_start_in(arguments[position + 1], depth)
    return None


def _starts(argv: Sequence[str]) -> bool:
    if not runs_gateway(argv):
        return False
    if "gateway" not in argv:
        return True
    after = list(argv)[list(argv).index("gateway") + 1 :]
    return not after or after[0] not in _ADMINISTRATION


def _commands(text: str) -> list[list[str]]:
    """The simple commands in a shell's text, as far as it can be read."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    try:
        for word in lexer:
            if _OPERATORS.fullmatch(word):
                commands.append([])
            else:
                commands[-1].append(word)
    except ValueError:  # a quote that is not closed
        commands = [text.split()]
    return [command for command in commands if command]
