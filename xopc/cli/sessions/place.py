"""Where sessions are, in the API and on the command line."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from urllib.parse import quote

from cyclopts import Parameter

SESSIONS_PATH = "/api/sessions"
TIMEOUT_SECONDS = 10.0

KeyArgument: TypeAlias = Annotated[str, Parameter(help="The session's key, as `xopc sessions list` shows it.")]


def path_of(key: str, action: str = "") -> str:
    """The path of a session, or of something that is done with it. Whatever the key is, it stays one segment."""
    place = f"{SESSIONS_PATH}/{quote(key, safe='')}"
    return f"{place}/{action}" if action else place
