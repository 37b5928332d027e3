"""What a gateway process starts with: what `main` has found and made sure of, for the tree to serve with."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from xopc.config.resolve import Flags, Resolved
from xopc.config.secrets.references import NO_SECRETS, Secrets
from xopc.core.known_secrets import KnownSecrets
from xopc.core.logs.level import LevelSwitch
from xopc.gateway.line import Line
from xopc.gateway.places import Places
from xopc.gateway.problems import Problems
from xopc.server.api import ROUTES
from xopc.server.routes import Route
from xopc_supervisor.contract import Go, Inheritance


@frozen
class Home:
    """What a gateway process starts with."""

    resolved: Resolved
    flags: Flags
    environ: Mapping[str, str]
    inheritance: Inheritance
    go: Go
    places: Places
    line: Line
    local_key: bytes | None = field(default=None, repr=False)
    keys: Secrets = NO_SECRETS
    """What `models.json` refers to."""
    routes: tuple[Route, ...] = ROUTES
    problems: Problems = field(factory=Problems)
    log_level: LevelSwitch = field(factory=LevelSwitch)
    known: KnownSecrets = field(factory=KnownSecrets)
    """The secrets in force, for the log."""
