"""Where things stand on disk: the state directory, the configuration file, and what belongs to them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from xopc.config.profile import DEFAULT, profile_of
from xopc.contracts.errors import ConfigError, Problem
from xopc_supervisor import contract

CONFIG_NAME = "xopc.json"
INTENT_NAME = "gateway-restart-intent.json"
RESTORE_NAME = "restore-journal.json"
"""What a restore has still to do: nobody uses the state directory before that is done."""
DATABASE_NAME = "xopc.db"


@frozen
class Paths:
    """The files and directories of one gateway, absolute. None of them has to exist."""

    state_dir: Path
    config_path: Path
    lock_path: Path
    intent_path: Path
    log_dir: Path
    database: Path
    workspace: Path
    models: Path
    """`models.json`."""
    accepted: Path
    """A copy of the configuration file as it last took effect."""
    local_key: Path
    """What commands on this machine prove with that they may read the state directory."""
    served_certificate: Path
    """A copy of the certificate that the running gateway shows; there is none where it speaks plain HTTP."""


def resolve_paths(environ: Mapping[str, str]) -> Paths:
    """The paths that an environment asks for. Creates nothing.

    Raises:
        ConfigError: the environment names no usable place.
    """
    state_dir = _state_dir(environ)
    default_config = state_dir / CONFIG_NAME
    config_path = _path(environ, "XOPC_CONFIG_PATH") or _path(environ, "XOPC_CONFIG") or default_config
    config_hash = contract.config_hash(str(config_path))
    if os.path.realpath(config_path) == os.path.realpath(default_config):
        database = state_dir / DATABASE_NAME
    else:
        database = state_dir / "db" / f"{config_hash}.db"
    return Paths(
        state_dir=state_dir,
        config_path=config_path,
        lock_path=Path(contract.lock_path(str(state_dir), str(config_path))),
        intent_path=state_dir / INTENT_NAME,
        log_dir=_path(environ, "XOPC_LOG_DIR") or state_dir / "logs",
        database=database,
        workspace=_path(environ, "XOPC_WORKSPACE") or state_dir / "workspace",
        models=_path(environ, "XOPC_MODELS_JSON") or state_dir / "models.json",
        accepted=state_dir / "accepted" / f"{config_hash}.json",
        local_key=(_path(environ, "XOPC_CREDENTIALS_DIR") or state_dir / "credentials") / f"local-{config_hash}.key",
        served_certificate=state_dir / "accepted" / f"{config_hash}.pem",
    )


def programs_dir(environ: Mapping[str, str]) -> Path:
    """Where `xopc update` keeps versions: of the user, not of a profile.

    Raises:
        ConfigError: the environment names no usable place.
    """
    return _home(environ) / ".local" / "share" / "xopc"


def from_home(path: Path) -> str:
    """A path as a person writes it: `~/.xopc/xopc.json`."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def configured_path(text: str, paths: Paths, environ: Mapping[str, str]) -> Path:
    """The absolute path that a setting names: relative to the configuration file, or to the home that `~` means.

    Raises:
        ConfigError: it names the home of a user that does not exist.
    """
    return path_beside(text, paths.config_path.parent, environ)


def path_beside(text: str, directory: Path, environ: Mapping[str, str]) -> Path:
    """The absolute path that a file in `directory` names: relative to that, or to the home that `~` means.

    Raises:
        ConfigError: it names the home of a user that does not exist.
    """
    return _expand(text, text, _home(environ)) if text.startswith("~") else directory / text


def _state_dir(environ: Mapping[str, str]) -> Path:
    named = _path(environ, "XOPC_STATE_DIR")
    if named is not None:
        return named
    profile = profile_of(environ)
    return _home(environ) / (".xopc" if profile == DEFAULT else f".xopc-{profile}")


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    """The absolute path in a variable; None where it is unset or empty."""
    text = environ.get(name, "").strip()
    return _expand(name, text, _home(environ)) if text else None


def _home(environ: Mapping[str, str]) -> Path:
    """The home directory that `~` and `~/.xopc` mean: XOPC_HOME, or else the user's own."""
    home = environ.get("HOME", "").strip()
    try:
        own = Path(home).absolute() if home else Path.home()
    except RuntimeError:
        raise ConfigError("environment", Problem("HOME", "is not set, and the user has no other: set it")) from None
    text = environ.get("XOPC_HOME", "").strip()
    return _expand("XOPC_HOME", text, own) if text else own


def _expand(name: str, text: str, home: Path) -> Path:
    if text == "~" or text.startswith("~/"):
        return home / text[1:].lstrip("/")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ConfigError("environment", Problem(name, "names the home of a user that does not exist")) from None
