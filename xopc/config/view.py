"""The configuration as it is shown: every key with its default, and every secret masked.

Pure functions of JSON values. They take any object, one that does not validate included.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from xopc.config.profile import DEFAULT_PORT
from xopc.config.secrets.references import Keys
from xopc.config.shape import distinct, item_kind, members_of, value_kind
from xopc.config.substitute import is_secret
from xopc.contracts.convert import JsonObject
from xopc.contracts.settings.file import Settings

Hides: TypeAlias = Callable[[str, str], bool]
"""Whether a text under a name is a secret, for keys that nobody has declared."""

MASK = "***"
MASKS = frozenset({MASK, "••••••••••••"})
"""What stands for a secret, in what is shown and in what comes back."""
MODELS: Mapping[str, str] = {
    "model": "modelFallbacks",
    "imageModel": "imageModelFallbacks",
    "imageGenerationModel": "imageGenerationModelFallbacks",
}
"""Keys of `agents.defaults` that are shown as a model, and a list of those to try where it fails."""
MODELS_AT: Keys = ("agents", "defaults")

_IMPLIED: Mapping[Keys, object] = {
    ("gateway", "auth", "mode"): "token",
    ("gateway", "auth", "rateLimit"): {},
    ("gateway", "channelConnectDeferMode"): "auto",
}
"""What it means that nothing is set."""


def effective(values: JsonObject, port: int = DEFAULT_PORT) -> JsonObject:
    """A configuration whose references are replaced, with all that it leaves out, the port of its profile included.
    Its secrets are in it."""
    given = values.get("gateway")
    shown = _effective(values, Settings, ())
    if given is None or (isinstance(given, dict) and cast("JsonObject", given).get("port") is None):
        shown["gateway"]["port"] = port
    return shown


def masked(values: JsonObject, hides: Hides) -> JsonObject:
    """What `effective` gives, with `***` for each secret, and nothing for one that is not set."""
    return _masked(values, Settings, (), hides)


def _effective(value: Any, kind: object, keys: Keys) -> Any:  # noqa: ANN401  any value of JSON
    match value:
        case dict():
            return _object(cast("JsonObject", value), kind, keys)
        case list():
            items, inner = cast("list[Any]", value), item_kind(kind)
            return [_effective(item, inner, (*keys, index)) for index, item in enumerate(items)]
        case float() if not math.isfinite(value):
            return str(value)  # no JSON has it
        case _:
            return value


def _object(value: JsonObject, kind: object, keys: Keys) -> JsonObject:
    members = members_of(kind)
    if members is None:
        inner = value_kind(kind)
        return {key: _effective(item, inner, (*keys, key)) for key, item in value.items()}
    shown: JsonObject = {}
    for member in distinct(members):
        below = (*keys, member.key)
        given = value.get(member.found_in(value))
        if given is None:
            given = _IMPLIED.get(below, {} if isinstance(member.default, type) else member.default)
        shown[member.key] = _effective(given, member.kind, below)
        if keys == MODELS_AT and member.key in MODELS:
            shown[member.key], shown[MODELS[member.key]] = split_model(shown[member.key])
    if keys == ("gateway",) and shown["bind"] is None and not shown["host"]:
        shown["bind"] = "loopback"
    unknown = {key: item for key, item in value.items() if key not in members and key not in shown}
    return shown | {key: _effective(item, None, (*keys, key)) for key, item in unknown.items()}


def split_model(choice: object) -> tuple[Any, Any]:
    """The model and the fallbacks that a text or an object names; None and `[]` where it names none."""
    if isinstance(choice, dict):
        named = cast("JsonObject", choice)
        return named.get("primary") or None, named.get("fallbacks") or []
    return choice or None, []


def _masked(value: Any, kind: object, keys: Keys, hides: Hides | None) -> Any:  # noqa: ANN401  any value of JSON
    """`hides` is None below a key that is a secret's by its name."""
    match value:
        case dict():
            shown: JsonObject = {}
            members, inner = members_of(kind), value_kind(kind)
            for key, item in cast("JsonObject", value).items():
                known = members[key].kind if members is not None and key in members else inner
                inherited = hides if hides is None or known is not None or not hides(key, "") else None
                shown[key] = _masked(item, known, (*keys, key), inherited)
            return shown
        case list():
            items, inner = cast("list[Any]", value), item_kind(kind)
            return [_masked(item, inner, (*keys, index), hides) for index, item in enumerate(items)]
        case _:
            return _masked_leaf(value, kind, keys, hides)


def _masked_leaf(value: object, kind: object, keys: Keys, hides: Hides | None) -> object:
    if is_secret(keys):
        is_set = value is not None and not (isinstance(value, str) and not value.strip())
        return MASK if is_set else ""
    if kind is not None or value is None or isinstance(value, bool) or value == "":
        return value
    if hides is None:
        return MASK
    name = next((key for key in reversed(keys) if isinstance(key, str)), "")
    return MASK if isinstance(value, str) and hides(name, value) else value
