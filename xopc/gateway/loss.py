"""What was there and is gone is no wish to do without: such a change is refused, and what is in force stays so."""

from __future__ import annotations

from xopc.config.resolve import Resolved
from xopc.config.secrets.references import Secrets
from xopc.contracts.auth import AuthMode
from xopc.contracts.errors import ConfigError, LostSecret, LostSecretError, Problem


def refuse_loss(before: Resolved, wanted: Resolved) -> None:
    """A file that has gone, or lost its token, is no wish for the defaults: the door would have another key.

    Raises:
        ConfigError: it is so.
    """
    path = str(wanted.paths.config_path)
    if wanted.content is None and before.content is not None:
        raise ConfigError(path, Problem(path, "is gone: put it back, or restart for the defaults"))
    if wanted.auth.mode is AuthMode.TOKEN and wanted.auth.secret is None:
        cure = "put it back, or make one: xopc gateway token --generate"
        raise ConfigError(path, Problem("$.gateway.auth.token", f"is gone: {cure}"))


def refuse_lost_keys(before: Secrets, now: Secrets, wanted: Resolved) -> None:
    """A key of `models.json` that was there and is not to be had now is no wish to do without.

    Raises:
        LostSecretError: it is so.
    """
    problems = [
        LostSecret("models.json", f"{reference}: {why}")
        for reference, why in now.lost.items()
        if reference in before.found
    ]
    if problems:
        raise LostSecretError(str(wanted.paths.models), *problems)
