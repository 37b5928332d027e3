"""The secrets that are in force, by what they are: masked wherever they turn up, whatever they look like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from xopc.core.redact import Plain

MIN_CHARS = 8
"""A shorter one may be part of any word."""
MASK = "***"


class KnownSecrets:
    """Those that were in force since the process began. May be used from any thread."""

    def __init__(self) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def know(self, secrets: Iterable[str]) -> None:
        """These are in force from now on. Those of before are known still: a late line may hold one."""
        wanted = self._secrets | {text for secret in secrets if len(text := secret.strip()) >= MIN_CHARS}
        if wanted != self._secrets:
            self._secrets = wanted
            # The longest first: one may begin with another.
            self._pattern = re.compile("|".join(map(re.escape, sorted(wanted, key=len, reverse=True))))

    def hide(self, value: Plain) -> Plain:
        """A copy of `value` with each of them masked in its texts."""
        pattern = self._pattern
        return value if pattern is None else _hidden(value, pattern)


def _hidden(value: Plain, pattern: re.Pattern[str]) -> Plain:
    if isinstance(value, str):
        return pattern.sub(MASK, value)
    if isinstance(value, Mapping):
        return {key: _hidden(member, pattern) for key, member in cast("Mapping[str, Plain]", value).items()}
    if isinstance(value, Sequence):
        return [_hidden(item, pattern) for item in value]
    return value
