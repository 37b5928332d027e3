"""What `launchctl print` says of a job: lines for people, whose first level alone is looked at.

Apple promises nothing about them. What is not there is None, and nothing but a number or a path is taken from a line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import frozen

from xopc.service.managers.base import Runtime, RuntimeStatus

_FIELD = re.compile(r"\t([a-z][a-z ]*) = (.*)")
_BLOCK = re.compile(r"\t([a-z][a-z ]*) = \{")
_FLAT = re.compile(r"\t\t(?!\t)(.*)")


@frozen
class PrintedJob:
    """A job that launchd has loaded."""

    fields: Mapping[str, str]
    """`pid`, `state`, `last exit code`."""
    blocks: Mapping[str, tuple[str, ...]]
    """The lines of `arguments` and `environment`."""

    def runs(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> bool:
        """Whether it was loaded from such a definition; False where it does not say."""
        has = set(self.blocks.get("environment", ()))
        wanted = {f"{name} => {value}" for name, value in environment.items()}
        return self.blocks.get("arguments") == arguments and wanted <= has

    def runtime(self) -> Runtime:
        """How it is."""
        pid = _number(self.fields.get("pid"))
        return Runtime(
            status=RuntimeStatus.STOPPED if pid is None else RuntimeStatus.RUNNING,
            pid=pid,
            # `78: EX_CONFIG` from macOS 13 on, `(never exited)` before its first end.
            last_exit_status=_number(self.fields.get("last exit code")),
            state=self.fields.get("state", ""),
        )


def parse_print(text: str) -> PrintedJob:
    """The job in what `launchctl print gui/<uid>/<label>` printed."""
    fields: dict[str, str] = {}
    blocks: dict[str, list[str]] = {}
    inside: list[str] | None = None
    for line in text.split("\n"):
        if inside is not None:
            if line == "\t}":
                inside = None
            elif found := _FLAT.fullmatch(line):
                inside.append(found[1])
        elif found := _BLOCK.fullmatch(line):
            inside = blocks.setdefault(found[1], [])
        elif found := _FIELD.fullmatch(line):
            fields.setdefault(found[1], found[2])
    return PrintedJob(fields, {name: tuple(lines) for name, lines in blocks.items()})


def _number(text: str | None) -> int | None:
    found = re.match(r"-?\d+", text or "")
    return int(found[0]) if found else None
