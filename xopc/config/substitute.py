"""`${NAME}` and `${NAME:-default}` in the texts of the configuration, replaced from the environment.

`$${` stands for a plain `${`. Where a secret belongs, and in all of `gateway.auth`, a variable without a value is
refused, because an empty or literal secret would open the door; elsewhere it is an empty text and a warning. What comes
in is not replaced again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from xopc.config.findings import Findings
from xopc.contracts.convert import join

Keys: TypeAlias = "tuple[str | int, ...]"

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

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}")


def substitute(value: Any, environ: Mapping[str, str], findings: Findings) -> Any:  # noqa: ANN401  any value of JSON
    """The same JSON value with every reference in its texts replaced. Keys of objects stay as they are."""
    return _substitute(value, (), environ, findings)


def has_reference(text: object) -> bool:
    """Whether a value of the configuration is a text that refers to the environment."""
    return isinstance(text, str) and any(match["name"] for match in _REFERENCE.finditer(text))


def is_secret(keys: Keys) -> bool:
    """Whether a value at these keys is a secret."""
    return _is_below(keys, SECRET_PATHS)


def _is_below(keys: Keys, patterns: tuple[tuple[str, ...], ...]) -> bool:
    return any(
        len(keys) >= len(pattern) and all(want in ("*", key) for want, key in zip(pattern, keys, strict=False))
        for pattern in patterns
    )


def _substitute(value: Any, keys: Keys, environ: Mapping[str, str], findings: Findings) -> Any:  # noqa: ANN401  as above
    match value:
        case str():
            return _REFERENCE.sub(lambda reference: _replace(reference, keys, environ, findings), value)
        case list():
            items = cast("list[Any]", value)
            return [_substitute(item, (*keys, index), environ, findings) for index, item in enumerate(items)]
        case dict():
            members = cast("dict[str, Any]", value).items()
            return {key: _substitute(item, (*keys, key), environ, findings) for key, item in members}
        case _:
            return value


def _replace(reference: re.Match[str], keys: Keys, environ: Mapping[str, str], findings: Findings) -> str:
    name, default = reference["name"], reference["default"]
    if name is None:
        return "${"
    strict = _is_below(keys, _STRICT_PATHS)
    value = environ.get(name, "")
    if value.strip() if strict else value:
        return value
    if default is not None:
        return default
    if strict:
        findings.refuse(_path(keys), f"the environment variable {name} is not set, or is empty: set it")
    elif name not in environ:
        findings.warn(_path(keys), f"the environment variable {name} is not set; taken as empty")
    return value


def _path(keys: Keys) -> str:
    path = "$"
    for key in keys:
        path = join(path, key)
    return path
