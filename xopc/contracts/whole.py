"""Classes that stand for a JSON object of any keys: they give it a name, a description and an example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

_EXAMPLE = "whole"


def whole(example: Mapping[str, object]) -> Mapping[str, object]:
    """Metadata of the only attribute of such a class, which is the object itself."""
    return {_EXAMPLE: example}


def whole_of(kind: type) -> attrs.Attribute[Any] | None:
    """That attribute; None of a class whose attributes are the keys of its object."""
    return next((attribute for attribute in attrs.fields(kind) if _EXAMPLE in attribute.metadata), None)


def example_of(attribute: attrs.Attribute[Any]) -> Mapping[str, object]:
    """The example that `whole` was given."""
    return attribute.metadata[_EXAMPLE]
