"""The gateway's answers as values of the contracts."""

from __future__ import annotations

from typing import TypeVar

from xopc.client.http import JsonObject
from xopc.contracts.errors import Failure, InvalidValueError, XopcError

T = TypeVar("T")


def read_answer(body: JsonObject, kind: type[T]) -> T:
    """What the gateway answered, as a `kind`. What a later version says beyond that is left out.

    Raises:
        XopcError: it is of another version, and says it otherwise.
    """
    from xopc.contracts.convert import structure_known

    try:
        value, _ = structure_known(body, kind)
    except InvalidValueError as error:
        what = f"The gateway is of another version, whose answer this one cannot read ({error.message})"
        raise XopcError(Failure.CONFLICT, f"{what}. Restart it, or see the answer with --json.") from error
    return value
