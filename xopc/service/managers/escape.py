"""Words in the files of systemd, there and back: systemd.syntax(7), and "Command lines" of systemd.service(5).

Each word stands in double quotes, where a backslash, a quote and control characters are escaped; `%` is doubled, for it
begins a specifier. `$` means a variable in command lines alone, and there is no way of writing one that holds for the
program as for its arguments; so a command with one in it begins with `:`, which turns that meaning off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from xopc.service.managers.one_line import one_line

_PLAIN = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
_COMMAND_PREFIXES = "@-:+!|"
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|([0-7]{3})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)


def command_line(arguments: Sequence[str]) -> str:
    """The value of `ExecStart=` for an argument vector, whose program is absolute.

    Raises:
        ServiceManagerError: a word of it cannot stand there.
    """
    words = " ".join(quote(word, "the command line") for word in arguments)
    return f":{words}" if "$" in words else words


def assignment(name: str, value: str) -> str:
    """The value of `Environment=` for one variable.

    Raises:
        ServiceManagerError: its value cannot stand there.
    """
    return quote(f"{name}={value}", f"the variable {name}", always=True)


def quote(text: str, place: str, *, always: bool = False) -> str:
    """A word as it stands in a unit, in quotes where it needs them; `place` says where, in an error.

    Raises:
        ServiceManagerError: it has a line break or another control character in it, or is not UTF-8.
    """
    escaped = plain(text, place).replace("\\", "\\\\").replace('"', '\\"')
    return escaped if not always and _PLAIN.fullmatch(escaped) else f'"{escaped}"'


def plain(text: str, place: str) -> str:
    """A text as it stands where systemd knows no quotes, such as a description.

    Raises:
        ServiceManagerError: as `quote`.
    """
    return one_line(text, place).replace("%", "%%")


def directory(path: str, place: str) -> str:
    """The value of `WorkingDirectory=`.

    Raises:
        ServiceManagerError: as `quote`.
    """
    # A backslash at the end of a line, and a blank there, would not be part of the value.
    return plain(f"{path}/" if path.endswith(("\\", " ")) else path, place)


def command_words(value: str, home: str) -> tuple[str, ...]:
    """The argument vector that a value of `ExecStart=` stands for, as far as it needs no specifier but `%h` and `%%`.

    >>> command_words('"/opt/my xopc" gateway --port 18790', "/home/amy")
    ('/opt/my xopc', 'gateway', '--port', '18790')
    """
    command = value.lstrip(_COMMAND_PREFIXES)
    literal = ":" in value[: len(value) - len(command)]
    found = (_specified(word, home) for word in words(command))
    return tuple(word if literal else word.replace("$$", "$") for word in found)


def assignments(value: str, home: str) -> dict[str, str]:
    """The variables in a value of `Environment=`."""
    pairs = (_specified(word, home).partition("=") for word in words(value))
    return {name: text for name, sign, text in pairs if sign}


def specified(value: str, home: str) -> str:
    """A value without quotes, such as that of `WorkingDirectory=`."""
    return home if value.lstrip("-") == "~" else _specified(value.lstrip("-"), home)


def words(text: str) -> Iterator[str]:
    """The words of a value, without their quotes and escapes. A quote that is not closed ends with the value."""
    word, quoted, started, at = "", "", False, 0
    while at < len(text):
        sign = text[at]
        escape = _ESCAPE.match(text, at) if sign == "\\" else None
        if escape is not None:
            word, started, at = word + _meaning(escape), True, escape.end()
            continue
        at += 1
        if quoted and sign == quoted:
            quoted = ""
        elif not quoted and not started and sign in "\"'":
            quoted, started = sign, True
        elif not quoted and sign.isspace():
            if started:
                yield word
            word, started = "", False
        else:
            word, started = word + sign, True
    if started:
        yield word


def _meaning(escape: re.Match[str]) -> str:
    for digits, base in zip(escape.groups()[:4], (16, 8, 16, 16), strict=True):
        if digits is not None:
            return chr(int(digits, base))
    return _LETTERS.get(escape[5], escape[5])


def _specified(text: str, home: str) -> str:
    return re.sub(r"%([%h])", lambda found: "%" if found[1] == "%" else home, text)
