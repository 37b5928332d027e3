"""Which secrets stand in a file as they are. Pure functions of JSON values, which tell places and no value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from xopc.config.secrets.references import Keys, has_reference
from xopc.config.substitute import is_secret
from xopc.contracts.convert import JsonObject
from xopc.core.redact import is_secret_name

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


def in_configuration(values: object, keys: Keys = ()) -> Iterator[tuple[Keys, str]]:
    """The places of `xopc.json` with a secret in plain text, and the secret."""
    match values:
        case dict():
            members = cast("JsonObject", values)
            if is_secret(keys) and keys != ("providers",) and "source" in members:
                return
            for key, item in members.items():
                yield from in_configuration(item, (*keys, key))
        case list():
            for index, item in enumerate(cast("list[Any]", values)):
                yield from in_configuration(item, (*keys, index))
        case str() if values.strip() and not has_reference(values) and _holds_secret(keys):
            yield keys, values
        case _:
            pass


def in_models(values: JsonObject) -> Iterator[tuple[Keys, str]]:
    """The places of `models.json` with a secret in plain text, and the secret."""
    providers: object = values.get("providers")
    for provider, entry in cast("JsonObject", providers if isinstance(providers, dict) else {}).items():
        yield from _in_provider(entry, ("providers", provider))


def _in_provider(value: object, keys: Keys) -> Iterator[tuple[Keys, str]]:
    match value:
        case dict():
            for key, item in cast("JsonObject", value).items():
                yield from _in_provider(item, (*keys, key))
        case list():
            for index, item in enumerate(cast("list[Any]", value)):
                yield from _in_provider(item, (*keys, index))
        case str() if value.strip() and not has_reference(value) and is_secret_name(str(keys[-1])):
            is_named = keys[-1] == "apiKey" and (value.strip().startswith("!") or _VARIABLE.fullmatch(value.strip()))
            if not is_named:
                yield keys, value
        case _:
            pass


def _holds_secret(keys: Keys) -> bool:
    if keys[-1:] == ("sha256",):
        return False  # nobody comes in with it
    name = next((key for key in reversed(keys) if isinstance(key, str)), "")
    return is_secret(keys) or is_secret_name(name)
