"""The text of a message as an argument of a command."""

from __future__ import annotations

import re
import sys
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from xopc.contracts.errors import Failure, XopcError

FROM_STDIN = "-"
_OPTION = re.compile(r"--?[a-z][a-z-]*")


def _refuse_options(_type: object, text: str | None) -> None:
    if text is not None and _OPTION.fullmatch(text):
        raise ValueError(f"there is no option {text}; to send this as the text, give - and write it to standard input")


TextArgument: TypeAlias = Annotated[
    str,
    Parameter(allow_leading_hyphen=True, validator=_refuse_options, help="The text; - reads it from standard input."),
]
"""Takes what begins with a hyphen too, unless it looks like a misspelt option."""
TextOption: TypeAlias = Annotated[
    str | None,
    Parameter(
        allow_leading_hyphen=True, validator=_refuse_options, help="Another text; - reads it from standard input."
    ),
]


def read_text(argument: str) -> str:
    """The text that is meant: the argument, or what comes in on standard input.

    Raises:
        XopcError: there is nothing but white space, or it is not UTF-8.
    """
    text = _read_stdin() if argument == FROM_STDIN else argument
    if not text.strip():
        raise XopcError(Failure.INVALID_REQUEST, "The message is empty.")
    return text


def _read_stdin() -> str:
    if sys.stdin is None:  # closed by whoever started the command
        return ""
    try:
        return sys.stdin.buffer.read().decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        what = f"What came in on standard input is not UTF-8 (byte {error.start})."
        raise XopcError(Failure.INVALID_REQUEST, what) from error
