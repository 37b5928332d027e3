"""Words in a batch file of Windows, there and back: what cmd.exe makes of a line, and then a program of its arguments.

cmd.exe first replaces `%NAME%`, everywhere; `%%` is a percent sign. Then, outside of double quotes, `& | < > ( )` and
`^` mean something, unless a `^` stands before them. A quote opens and closes, whatever stands before it: cmd.exe knows
no backslash. A program takes its arguments apart by other rules (those of Microsoft's C library), which do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from subprocess import list2cmdline  # noqa: TID251 - runs nothing

from xopc.service.managers.base import ServiceManagerError

LONGEST_LINE = 8000
"""cmd.exe takes 8191 characters."""
_SPECIAL = set("&|<>()^")
_BACKSLASHES = re.compile(r"(\\*)(\"?)")


def assignment(name: str, value: str) -> str:
    """The line that sets a variable.

    Raises:
        ServiceManagerError: it is too long.
    """
    # `set` takes what stands between the first quote and the last one of the line.
    return _checked(f'set "{_escaped(f"{name}={value}", is_quoted=True)}"', f"the variable {name}")


def enter(directory: str) -> str:
    """The line that changes to a directory.

    Raises:
        ServiceManagerError: it has a quote in it, or is too long.
    """
    return _checked(f"cd /d {_path(directory, 'the directory of the configuration')}", "the working directory")


def command(arguments: Sequence[str], output: str) -> str:
    """The line that runs a program, whose output is appended to a file.

    Raises:
        ServiceManagerError: a path has a quote in it, or the line is too long.
    """
    program, *others = arguments
    words = _escaped(list2cmdline(others), is_quoted=False)
    target = _path(output, "the path of the log")
    return _checked(f">>{target} 2>&1 {_path(program, 'the path of the program')} {words}".rstrip(), "the command line")


def command_words(line: str) -> tuple[str, ...] | None:
    """The arguments in a line that `command` has written; None in another one."""
    found = re.fullmatch(r'>>"[^"]*" 2>&1 "([^"]*)"(.*)', line)
    if found is None:
        return None
    return (found[1].replace("%%", "%"), *words(_plain(found[2], is_quoted=False)))


def entered(line: str) -> str | None:
    """The directory in a line that `enter` has written; None in another one."""
    found = re.fullmatch(r'cd /d "([^"]*)"', line)
    return found[1].replace("%%", "%") if found else None


def assigned(line: str) -> tuple[str, str] | None:
    """Name and value in a line that `assignment` has written; None in another one."""
    if not (line.startswith('set "') and line.endswith('"')):
        return None
    name, sign, value = _plain(line[5:-1], is_quoted=True).partition("=")
    return (name, value) if sign else None


def words(line: str) -> Iterator[str]:
    """The arguments that a program takes a command line apart into.

    >>> list(words(r'a "b c" d\\e "f\\"g"'))
    ['a', 'b c', 'd\\\\e', 'f"g']
    """
    word, started, is_quoted, at = "", False, False, 0
    while at < len(line):
        found = _BACKSLASHES.match(line, at)
        if found is not None and found[0]:
            at, started = found.end(), True
            backslashes = len(found[1])
            word += "\\" * (backslashes // 2 if found[2] else backslashes)
            if found[2] and backslashes % 2:
                word += '"'
            elif found[2]:
                is_quoted = not is_quoted
            continue
        sign = line[at]
        at += 1
        if sign in " \t" and not is_quoted:
            if started:
                yield word
            word, started = "", False
        else:
            word, started = word + sign, True
    if started:
        yield word


def _escaped(text: str, *, is_quoted: bool) -> str:
    escaped: list[str] = []
    for sign in text:
        if sign == '"':
            is_quoted = not is_quoted
        if sign == "%":
            escaped.append("%%")
        elif sign in _SPECIAL and not is_quoted:
            escaped.append(f"^{sign}")
        else:
            escaped.append(sign)
    return "".join(escaped)


def _plain(text: str, *, is_quoted: bool) -> str:
    plain: list[str] = []
    signs = iter(text.replace("%%", "%"))
    for sign in signs:
        if sign == '"':
            is_quoted = not is_quoted
        plain.append(next(signs, "") if sign == "^" and not is_quoted else sign)
    return "".join(plain)


def _path(path: str, place: str) -> str:
    """A path in quotes; one of Windows has none in it."""
    if '"' in path:
        raise ServiceManagerError(f"{place} holds a double quote, which no path of Windows does: {path}")
    return f'"{_escaped(path, is_quoted=True)}"'


def _checked(line: str, place: str) -> str:
    if len(line) > LONGEST_LINE:
        raise ServiceManagerError(f"{place} is too long for a batch file, which has {LONGEST_LINE} characters a line")
    return line
