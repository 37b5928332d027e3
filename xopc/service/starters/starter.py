"""Something that starts a gateway by itself, and what is one too many of that."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen

from xopc.config.paths import Paths
from xopc.service.audit.finding import Finding
from xopc.service.managers.base import Installed


@frozen
class Starter:
    """Something that starts a gateway by itself."""

    kind: str
    """For people: `user unit`."""
    name: str
    source: str
    """The file that it stands in, or what shows it."""
    config_path: Path | None
    """Of the gateway that it starts; None where it names no usable place."""
    cure: str
    """The command, or the sentence, that ends it."""
    port: int | None = None
    """That its command line names."""

    def is_of(self, paths: Paths) -> bool:
        """Whether it starts a gateway of this configuration."""
        return self.config_path is not None and os.path.realpath(self.config_path) == os.path.realpath(
            paths.config_path
        )

    def to_json(self, paths: Paths) -> dict[str, object]:
        return {
            "kind": self.kind,
            "name": self.name,
            "source": self.source,
            "configPath": str(self.config_path) if self.config_path else None,
            "port": self.port,
            "sameConfiguration": self.is_of(paths),
            "cure": self.cure,
        }


def findings_of(
    starters: Iterable[Starter], own: Installed | None, paths: Paths, port: int | None = None
) -> tuple[Finding, ...]:
    """What is one too many for this configuration and its port. A single starter, or its own service, is not."""
    starters = tuple(starters)
    return (*_too_many(starters, own, paths), *_at_port(starters, paths, port))


def _at_port(starters: Iterable[Starter], paths: Paths, port: int | None) -> Iterator[Finding]:
    for one in starters:
        if port is not None and one.port == port and not one.is_of(paths):
            what = f"The {one.kind} {one.name} starts another gateway at port {port}, which is this one's."
            why = f"The second of the two cannot start. Its configuration is {one.config_path}. Found in {one.source}."
            yield Finding("port-shared", what, "Give one of them another port.", why, where=one.source)


def _too_many(starters: Iterable[Starter], own: Installed | None, paths: Paths) -> tuple[Finding, ...]:
    ours = os.path.realpath(own.source_path) if own else None
    same = [one for one in starters if one.is_of(paths) and os.path.realpath(one.source) != ours]
    if len(same) + (own is not None) < 2:
        return ()
    first = f"the service {own.source_path.name}" if own else f"the {same[0].kind} {same[0].name}"
    extra = same if own else same[1:]
    return tuple(
        Finding(
            "other-starter",
            f"The {one.kind} {one.name} starts this gateway, too.",
            one.cure if " " in one.cure and one.cure[0].isupper() else f"Run: {one.cure}",
            f"So does {first}: where both do, one of them fails, or the wrong one runs. Found in {one.source}.",
            where=one.source,
        )
        for one in extra
    )
