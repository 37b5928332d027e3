"""Values as the text of a column."""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder
from typing import Any, TypeVar

from xopc.contracts.convert import restore, unstructure

T = TypeVar("T")


def to_json(value: object) -> str:
    """A frozen value, or a list of scalars, as JSON that `from_json` takes back."""
    return storable(_encode(unstructure(value)))


def from_json(text: str, kind: type[T]) -> T:
    """What `to_json` made of a `kind`, perhaps in another version of xopc.

    Raises:
        InvalidValueError: it lacks something, or says it in another way: a migration is missing.
    """
    return restore(json.loads(text), kind)


def storable(text: str) -> str:
    """`text` as sqlite can encode it: halves of a surrogate pair are joined where they meet, and replaced elsewhere.

    Platforms and models send such halves now and then, and a message that could not be stored would come back for ever.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def compact_encoder(make: Callable[..., Any] | None) -> Callable[[object], str]:
    """What `JSONEncoder.encode` does, with an inner encoder that is made once: it makes one for each value, which takes
    longer than to encode a message.

    Args:
        make: the inner encoder of CPython, which has no other name; None on another Python.
    """
    outer = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))
    if make is None:
        return outer.encode
    # Without a search for circles: what is made of frozen values has none.
    inner = make(None, outer.default, encoder.encode_basestring, None, ":", ",", False, False, True)
    return lambda value: "".join(inner(value, 0))


_encode = compact_encoder(getattr(encoder, "c_make_encoder", None))
