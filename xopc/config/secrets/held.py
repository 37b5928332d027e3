"""Which secrets a configuration in force holds, wherever they came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from xopc.config.resolve import Resolved
from xopc.config.secrets.references import Keys
from xopc.config.substitute import is_secret
from xopc.contracts.convert import JsonObject, unstructure


def secrets_held(resolved: Resolved) -> frozenset[str]:
    """The texts of all of them: of the settings, of the environment, and of what is kept elsewhere."""
    own = {resolved.auth.secret} if resolved.auth.secret else set[str]()
    return frozenset({*own, *resolved.secrets.found.values(), *_texts(unstructure(resolved.settings), ())})


def _texts(value: Any, keys: Keys) -> Iterator[str]:  # noqa: ANN401  any value of JSON
    match value:
        case dict():
            for key, item in cast("JsonObject", value).items():
                yield from _texts(item, (*keys, key))
        case list():
            for index, item in enumerate(cast("list[Any]", value)):
                yield from _texts(item, (*keys, index))
        case str() if value.strip() and is_secret(keys) and keys[-1] != "sha256":
            yield value
        case _:
            pass
