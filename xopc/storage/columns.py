"""Values as the text of a column."""

from __future__ import annotations

import json
from typing import TypeVar

from xopc.contracts.convert import restore, unstructure

T = TypeVar("T")

# json.dumps would make an encoder for each value. What is made of frozen values has no circles.
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


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
