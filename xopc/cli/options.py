"""Options that several commands have, with their texts."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter, Token, validators

MAX_LIMIT = 500
"""As many as the gateway gives at once."""
THERE_IS_MORE = "There are more. See them with --limit."
"""Below a list that was cut off."""
MAX_CREDENTIAL_CHARS = 64 * 1024
UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}


class Duration(float):
    """A span of time in seconds, which a user writes as `30s`, `500ms` or `1m`; a bare number is seconds."""


def _read_duration(_type: object, tokens: Sequence[Token]) -> Duration:
    text = tokens[0].value
    match = re.fullmatch(r"([0-9]{1,9})(ms|s|m|)", text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is not a duration: write 30s, 500ms or 1m")
    return Duration(int(match[1]) * UNIT_SECONDS[match[2]])


def _read_credential(_type: object, tokens: Sequence[Token]) -> str:
    if tokens[0].value != "-":
        return tokens[0].value
    line = stdin_line(MAX_CREDENTIAL_CHARS)
    if not line:
        raise ValueError("standard input has no line with a token")
    return line


def stdin_line(most: int) -> str:
    """The next line of standard input, without the blanks around it; empty where there is none.

    Raises:
        ValueError: it is not UTF-8.
    """
    try:
        line = sys.stdin.readline(most) if sys.stdin else ""
        line.encode()  # some locales read what is not UTF-8 as half pairs of surrogates
    except UnicodeError:
        raise ValueError("what came in on standard input is not UTF-8") from None
    return line.strip()


def _check_url(_type: object, value: str | None) -> None:
    if value is not None:
        from xopc.client.http import split_base_url

        split_base_url(value)


JsonOption: TypeAlias = Annotated[bool, Parameter(name="--json", help="Print JSON.")]
ConfigOption: TypeAlias = Annotated[
    Path | None, Parameter(name="--config", help="The configuration file, instead of ~/.xopc/xopc.json.")
]
LimitOption: TypeAlias = Annotated[
    int,
    Parameter(
        name="--limit", validator=validators.Number(gte=1, lte=MAX_LIMIT), help="How many, 1 to 500 (default: 50)."
    ),
]
DurationOption: TypeAlias = Annotated[Duration, Parameter(converter=_read_duration, n_tokens=1)]
"""Use it inside another `Annotated`, with the help text."""
UrlOption: TypeAlias = Annotated[
    str | None,
    Parameter(name="--url", validator=_check_url, help="Ask the gateway at this URL instead."),
]
CredentialOption: TypeAlias = Annotated[
    str | None,
    Parameter(
        name="--token",
        converter=_read_credential,
        n_tokens=1,
        allow_leading_hyphen=True,
        help="Token or password, where the configuration's is not the right one; - reads it from standard input.",
    ),
]
