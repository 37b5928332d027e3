"""How the running xopc was installed, which decides who may update it."""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, cast

from attrs import frozen

import xopc
from xopc.contracts.errors import Failure, XopcError
from xopc.service.installations.program import NAME
from xopc_supervisor.contract import Installation

RESTART = "xopc gateway restart --respawn --wait 60s"


@frozen
class Origin:
    """The environment that this process runs from."""

    prefix: Path
    version_file: Path
    version: str
    installer: str
    """For people: `xopc update`, `pipx`, `uv`, `pip`."""
    is_kept: bool
    """Whether it is one of the versions that `xopc update` looks after."""


def find_origin() -> Origin:
    """What this process was installed by.

    Raises:
        XopcError: somebody else has to update it; the text says how.
    """
    try:
        found = distribution(NAME)
    except PackageNotFoundError:
        found = None
    return origin_of(found, Path(sys.prefix), Path(sys.base_prefix), Path(xopc.__file__))


def origin_of(found: Distribution | None, prefix: Path, base_prefix: Path, version_file: Path) -> Origin:
    """The same of any environment. `found` is what is installed in it.

    Raises:
        XopcError: as above.
    """
    sources = version_file.parents[1] if found is None else editable_sources(found)
    if found is None or sources is not None:
        raise _of_sources(sources or version_file.parents[1])
    if prefix == base_prefix or not version_file.is_relative_to(prefix):
        raise _of_system(found, prefix)
    is_kept = Installation.read(str(prefix)) is not None
    if not is_kept and not os.access(prefix, os.W_OK):
        what = f"xopc is installed in {prefix}, which this user may not change"
        raise XopcError(Failure.FORBIDDEN, f"{what}: run the update as the user that it belongs to")
    return Origin(prefix, version_file, found.version, _installer(prefix, is_kept=is_kept), is_kept)


def editable_sources(found: Distribution) -> Path | None:
    """The directory that a distribution is edited in; None where it is installed for good."""
    try:
        values = cast("dict[str, Any]", json.loads(found.read_text("direct_url.json") or "{}"))
        if values["dir_info"]["editable"]:
            return Path(str(values["url"]).removeprefix("file://"))
    except (ValueError, LookupError, TypeError):
        pass
    return None


def _installer(prefix: Path, *, is_kept: bool) -> str:
    if is_kept:
        return "xopc update"
    if (prefix / "pipx_metadata.json").exists():
        return "pipx"
    return "uv" if (prefix / "uv-receipt.toml").exists() else "pip"


def _of_sources(sources: Path) -> XopcError:
    what = f"xopc runs from its sources in {sources}, which only you change"
    return XopcError(Failure.CONFLICT, f"{what}: `git pull` there, then `{RESTART}`")


def _of_system(found: Distribution, prefix: Path) -> XopcError:
    by = (found.read_text("INSTALLER") or "").strip()
    if by not in ("", "pip", "uv"):
        what = f"xopc was installed by {by}"
        return XopcError(Failure.CONFLICT, f"{what}: update it as any other package of the system, then `{RESTART}`")
    what = f"xopc is installed into the system's Python ({prefix}), where versions cannot stand side by side"
    cure = "in a container take the newer image; elsewhere install it anew, with `pipx install .` in a clone of it"
    return XopcError(Failure.CONFLICT, f"{what}: {cure}")
