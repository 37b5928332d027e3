"""`xopc api`: any request to the running gateway, with the credential that the configuration has."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Literal, cast

from cyclopts import Parameter

from xopc.cli.gateway.target import find_target
from xopc.cli.message_text import FROM_STDIN, read_text
from xopc.cli.options import ConfigOption, Duration, DurationOption
from xopc.cli.output import without_controls
from xopc.contracts.errors import Failure, XopcError
from xopc_supervisor.contract import EXIT_OK

DEFAULT_TIMEOUT = Duration(30)
JSON = "application/json"


def _check_path(_type: object, path: str) -> None:
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
        raise ValueError(f"{path!r} is not the path of a request, such as /api/status")


def api(
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"],
    path: Annotated[str, Parameter(validator=_check_path, help="Such as /api/status; with its query.")],
    /,
    *,
    data: Annotated[
        str | None,
        Parameter(allow_leading_hyphen=True, help="The JSON object to send; - reads it from standard input."),
    ] = None,
    timeout: Annotated[DurationOption, Parameter(help="How long an answer may take (default: 30s).")] = DEFAULT_TIMEOUT,
    config: ConfigOption = None,
) -> int:
    """Ask the running gateway whatever its API has, and print the answer.

    docs/reference/api.md says what that is; GET /openapi.json too.
    """
    body = None if data is None else _body(read_text(data) if data == FROM_STDIN else data)
    with find_target(config).client(timeout).open(method, path, body) as answer:
        if answer.content_type == JSON:
            print(json.dumps(json.loads(answer.whole()), indent=2))
            return EXIT_OK
        while piece := answer.piece():
            _write(piece)
    return EXIT_OK


def _body(text: str) -> dict[str, object]:
    try:
        value = cast("object", json.loads(text))
    except (ValueError, RecursionError) as error:
        raise XopcError(Failure.INVALID_REQUEST, f"--data is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise XopcError(Failure.INVALID_REQUEST, '--data must be a JSON object, such as {"reason": "a new key"}')
    return cast("dict[str, object]", value)


def _write(piece: bytes) -> None:
    """Bytes as they are to a file or a program, and without what would take over a terminal to a person."""
    if sys.stdout.isatty():
        sys.stdout.write(without_controls(piece.decode(errors="replace")))
    else:
        sys.stdout.buffer.write(piece)
    sys.stdout.flush()
