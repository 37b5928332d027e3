"""`${NAME}`, `${NAME:-default}` and what stands for a secret elsewhere, replaced in the texts of the configuration.

`$${` stands for a plain `${`. Where a secret belongs, and in all of `gateway.auth`, a variable without a value is
refused, because an empty or literal secret would open the door; elsewhere it is an empty text and a warning. A secret
that is kept elsewhere is refused wherever it cannot be had. In a part that is off, neither is more than a warning. What
comes in is not replaced again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from attrs import frozen

from xopc.config.findings import Findings
from xopc.config.secrets.references import (
    NO_SECRETS,
    PATTERN,
    Keys,
    Reference,
    Secrets,
    as_text,
    has_leftover,
    path_of,
    reference_of,
)
from xopc.contracts.convert import JsonObject

SECRET_PATHS: tuple[tuple[str, ...], ...] = (
    ("gateway", "auth", "token"),
    ("gateway", "auth", "password"),
    ("gateway", "auth", "tokens", "*", "sha256"),
    ("gateway", "tls", "keyPassword"),
    ("providers",),
    ("channels", "*", "botToken"),
    ("channels", "*", "accounts", "*", "botToken"),
)
"""Where secrets stand: all that is at or below one of these. `*` is any key or index."""

_STRICT_PATHS = (("gateway", "auth"), *SECRET_PATHS)
"""Where a variable without a value is refused: what is empty there opens the door, too."""

_WHOLE_PATHS = (("providers", "*"), ("channels", "*", "botToken"), ("channels", "*", "accounts", "*", "botToken"))
"""Where a text never holds a `${` of its own."""


@frozen
class _Work:
    root: object
    """The whole value, which says what is off."""
    environ: Mapping[str, str]
    findings: Findings
    secrets: Secrets


def substitute(
    value: Any,  # noqa: ANN401  any value of JSON
    environ: Mapping[str, str],
    findings: Findings,
    secrets: Secrets = NO_SECRETS,
) -> Any:  # noqa: ANN401  as above
    """The same JSON value with every reference in its texts replaced. Keys of objects stay as they are, and so does
    what refers to a secret that `secrets` does not know of."""
    return _substitute(value, (), _Work(value, environ, findings, secrets))


def is_secret(keys: Keys) -> bool:
    """Whether a value at these keys is a secret."""
    return _is_below(keys, SECRET_PATHS)


def _is_below(keys: Keys, patterns: tuple[tuple[str, ...], ...]) -> bool:
    return any(
        len(keys) >= len(pattern) and all(want in ("*", key) for want, key in zip(pattern, keys, strict=False))
        for pattern in patterns
    )


def _is_off(keys: Keys, root: object) -> bool:
    """Whether the part of the configuration that a value belongs to is switched off."""
    match keys:
        case ("channels", channel, "accounts", account, *_):
            return _says_no(root, ("channels", channel, "accounts", account))
        case ("channels", channel, *_):
            return _says_no(root, ("channels", channel))
        case ("gateway", "tls", *_):
            return _says_no(root, ("gateway", "tls"))
        case ("agents", "list", index, *_):
            return _says_no(root, ("agents", "list", index))
        case _:
            return False


def _says_no(root: object, keys: Keys) -> bool:
    value: Any = root
    for key in keys:
        if isinstance(value, dict):
            value = cast("JsonObject", value).get(str(key))
        elif isinstance(value, list) and isinstance(key, int):
            value = cast("list[Any]", value)[key]
    return isinstance(value, dict) and cast("JsonObject", value).get("enabled") is False


def _substitute(value: Any, keys: Keys, work: _Work) -> Any:  # noqa: ANN401  as above
    match value:
        case str():
            if "${" in value and _is_below(keys, _WHOLE_PATHS) and has_leftover(value):
                what = "holds a ${…} that refers to nothing: write ${NAME}, ${file:PATH}, ${credential:NAME} or"
                _tell(keys, f"{what} ${{command:NAME}}, and $${{ for a plain ${{", work)
            return PATTERN.sub(partial(_replace, keys=keys, work=work), value)
        case list():
            items = cast("list[Any]", value)
            return [_substitute(item, (*keys, index), work) for index, item in enumerate(items)]
        case dict():
            members = cast("dict[str, Any]", value)
            text = _as_text(members, keys, work)
            if text is not None:
                return _substitute(text, keys, work)
            return {key: _substitute(item, (*keys, key), work) for key, item in members.items()}
        case _:
            return value


def _as_text(members: dict[str, Any], keys: Keys, work: _Work) -> str | None:
    """The text that an object in a secret's place stands for; None where it is not of that kind."""
    if keys == ("providers",) or not is_secret(keys):
        return None
    try:
        return as_text(members)
    except ValueError as error:
        _tell(keys, str(error), work)
        return ""


def _replace(match: re.Match[str], *, keys: Keys, work: _Work) -> str:
    reference = reference_of(match)
    if reference is not None:
        return _secret(reference, match[0], keys, work)
    name, default = match["name"], match["default"]
    if name is None:
        return "${"
    strict = _is_below(keys, _STRICT_PATHS)
    value = work.environ.get(name, "")
    if value.strip() if strict else value:
        return value
    if default is not None:
        return default
    if strict:
        _tell(keys, f"the environment variable {name} is not set, or is empty: set it", work)
    elif name not in work.environ:
        work.findings.warn(path_of(keys), f"the environment variable {name} is not set; taken as empty")
    return value


def _secret(reference: Reference, written: str, keys: Keys, work: _Work) -> str:
    if reference in work.secrets.found:
        return work.secrets.found[reference]
    if reference not in work.secrets.lost:
        return written
    _tell(keys, work.secrets.lost[reference], work, is_lost=True)
    return ""


def _tell(keys: Keys, what: str, work: _Work, *, is_lost: bool = False) -> None:
    """Refuse the configuration, or warn where the part is off anyway."""
    if _is_off(keys, work.root):
        work.findings.warn(path_of(keys), f"{what} (it is off, and goes without)")
    elif is_lost:
        work.findings.lose(path_of(keys), what)
    else:
        work.findings.refuse(path_of(keys), what)
