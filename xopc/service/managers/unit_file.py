"""Reads a unit of systemd, with what stands beside it in drop-ins: systemd.unit(5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from attrs import field, frozen

from xopc.config.regular import read_regular

_COMMENT = re.compile(r"\s*[#;]")


@frozen
class UnitFile:
    """The settings of a unit. Each value is as it stands there, with its quotes."""

    values: dict[str, tuple[str, ...]] = field(factory=dict[str, tuple[str, ...]])
    """By key: sections do not share any that counts here. An empty value has taken back those before it."""
    text: str = ""

    def last(self, key: str) -> str:
        """The value that counts where a key has one; empty where it is not set."""
        found = self.values.get(key, ())
        return found[-1] if found else ""


def read_unit(path: Path) -> UnitFile | None:
    """The unit at `path` with `<path>.d/*.conf` on top; None where there is none that can be read."""
    try:
        text = read_regular(path).decode("utf-8", "replace")
    except OSError:
        return None
    drop_ins: list[str] = []
    for one in sorted(path.with_name(f"{path.name}.d").glob("*.conf")):
        with suppress(OSError):
            drop_ins.append(read_regular(one).decode("utf-8", "replace"))
    values: dict[str, tuple[str, ...]] = {}
    for part in (text, *drop_ins):
        for key, value in _settings(part):
            values[key] = (*values.get(key, ()), value) if value else ()
    return UnitFile(values, text)


def _settings(text: str) -> Iterator[tuple[str, str]]:
    for line in _whole_lines(text):
        key, sign, value = line.partition("=")
        if sign and not line.lstrip().startswith("["):
            yield key.strip(), value.strip()


def _whole_lines(text: str) -> Iterator[str]:
    """The lines without comments, each with those that a backslash at its end joins to it."""
    joined = ""
    for line in text.splitlines():
        if _COMMENT.match(line):
            continue
        if line.endswith("\\"):
            joined += f"{line[:-1]} "
            continue
        yield joined + line
        joined = ""
    if joined:
        yield joined
