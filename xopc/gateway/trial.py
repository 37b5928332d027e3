"""`python -m xopc.gateway.trial`: whether this version of xopc can go on from what another one has left.

Run by `xopc update` with the interpreter of the version that is tried, an older or a newer one than that of the
command: the keys of the answer keep their meaning.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping

import xopc
from xopc.config.paths import resolve_paths
from xopc.config.resolve import Flags, resolve
from xopc.config.setup import with_certificate
from xopc.contracts.errors import XopcError
from xopc.gateway.main import main as gateway_main
from xopc.storage.base import StorageError
from xopc.storage.migrate import LATEST_SCHEMA, schema_version
from xopc.storage.rehearse import rehearse

NEEDED = (gateway_main,)
"""All that a gateway imports is there."""


def try_out(environ: Mapping[str, str]) -> dict[str, object]:
    """What this version says of a configuration and its database. Changes nothing.

    `configuration` and `database` tell what keeps it from going on, or are None. `schema` is what it works with,
    `found` what the database has.

    Raises:
        ConfigError: the environment names no usable place.
    """
    paths = resolve_paths(environ)
    refused, damaged = _complaint(lambda: _read(environ)), _complaint(lambda: rehearse(paths.database))
    return {
        "version": xopc.__version__,
        "schema": LATEST_SCHEMA,
        "found": None if damaged else schema_version(paths.database),
        "configuration": refused,
        "database": damaged,
    }


def _read(environ: Mapping[str, str]) -> None:
    with_certificate(resolve(environ, Flags()))


def _complaint(do: Callable[[], None]) -> str | None:
    try:
        do()
    except XopcError as error:
        return error.message
    except (StorageError, OSError) as error:
        return str(error)
    return None


def main() -> int:
    """Print the answer as a line of JSON."""
    try:
        answer = try_out(os.environ)
    except XopcError as error:
        sys.stderr.write(f"{error.message}\n")
        return error.failure.exit
    sys.stdout.write(f"{json.dumps(answer)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
