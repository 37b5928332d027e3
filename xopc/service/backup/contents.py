"""What belongs to a backup, and where it stands on this machine."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

from xopc.config.paths import Paths
from xopc.service.backup.manifest import (
    ACCEPTED,
    CONFIG,
    CREDENTIALS,
    DATABASE,
    MODELS,
    SECRETS,
    SERVICE,
    WORKSPACE,
    LeftOut,
)

CACHE_TAG = "CACHEDIR.TAG"
"""A folder with it says that its content can be made again, see https://bford.info/cachedir/."""
CACHES = frozenset({"__pycache__", "node_modules", ".venv"})
LOCAL_KEYS = "local-*.key"
"""Made anew where there is none; each counts on its own machine alone."""

_KINDS = ((stat.S_ISLNK, "a link"), (stat.S_ISSOCK, "a socket"), (stat.S_ISFIFO, "a pipe"))


@frozen
class Found:
    """A file or folder to be stored."""

    name: str
    """In the archive."""
    path: Path
    is_folder: bool = False


def places(paths: Paths, *, workspace: bool = True) -> Mapping[str, Path]:
    """Where each part of a backup stands on this machine; `paths` has the workspace of the configuration."""
    found = {
        CONFIG: paths.config_path,
        ACCEPTED: paths.accepted,
        MODELS: paths.models,
        DATABASE: paths.database,
        CREDENTIALS: paths.local_key.parent,
        SECRETS: paths.state_dir / SECRETS,
        SERVICE: paths.state_dir / SERVICE,
    }
    return {**found, WORKSPACE: paths.workspace} if workspace else found


def walk(name: str, top: Path, without: frozenset[Path]) -> Iterator[Found | LeftOut]:
    """What is at `top` and below it, by its names in the archive, a folder before what is in it; and what is not for a
    backup: links, sockets, caches, what may not be read, and the paths in `without`. What has just gone is not there.
    """
    try:
        mode = (top.stat() if name.count("/") == 0 else top.lstat()).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        yield LeftOut(name, error.strerror or str(error))
        return
    if stat.S_ISREG(mode):
        yield Found(name, top)
    elif stat.S_ISDIR(mode):
        yield from _walk_folder(name, top, without)
    else:
        yield LeftOut(name, next((kind for is_kind, kind in _KINDS if is_kind(mode)), "a device"))


def _walk_folder(name: str, folder: Path, without: frozenset[Path]) -> Iterator[Found | LeftOut]:
    if folder.name in CACHES or (folder / CACHE_TAG).is_file():
        yield LeftOut(name, "a cache")
        return
    try:
        members = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        yield LeftOut(name, error.strerror or str(error))
        return
    yield Found(name, folder, is_folder=True)
    for path in members:
        if path in without:
            yield LeftOut(f"{name}/{path.name}", "a part of xopc's own state")
        elif not (name == CREDENTIALS and path.match(LOCAL_KEYS)):
            yield from walk(f"{name}/{path.name}", path, without)
