"""The body of a request: from bytes that anybody may have sent to a value of the route's class."""

from __future__ import annotations

import json
from typing import NoReturn, TypeVar

from quart import Request

from xopc.contracts.convert import structure
from xopc.contracts.errors import Failure, XopcError

T = TypeVar("T")

MAX_BODY_BYTES = 1024 * 1024
BODY_SECONDS = 10
"""For a body to arrive whole."""


async def read_body(request: Request, kind: type[T]) -> T:
    """The JSON body as a `kind`. A missing body counts as `{}`.

    Size and time are limited by the application's configuration.

    Raises:
        XopcError: NOT_JSON, or INVALID_REQUEST with the path of each problem.
        HTTPException: 408 and 413: it came too slowly, or too much of it.
    """
    if request.content_length != 0 and request.mimetype and not request.is_json:
        raise XopcError(Failure.NOT_JSON, f"The body is {request.mimetype}. Send application/json.")
    data = await request.get_data(cache=False, as_text=False, parse_form_data=False)
    return structure(_parse(data) if data else {}, kind)


def _parse(data: bytes) -> object:
    try:
        return json.loads(data.decode(), parse_constant=_refuse_constant)
    except RecursionError:
        problem = "it is nested too deeply"
    except UnicodeDecodeError as error:
        problem = f"it is not UTF-8 from byte {error.start} on"
    except ValueError as error:
        problem = str(error)
    raise XopcError(Failure.INVALID_REQUEST, f"The body is not JSON: {problem}.")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
