"""The last accepted configuration: a copy of `xopc.json` as it last took effect, for the day the file is broken.

A gateway that has to start again while somebody edits the file serves on with the copy, rather than not at all. The
copy holds the text as it was read, so `${…}` in it takes today's environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve

from xopc.config.load import Document, load_document
from xopc.config.paths import resolve_paths
from xopc.config.regular import IrregularFileError, read_regular
from xopc.config.resolve import Flags, Resolved, resolve, weigh
from xopc.config.write import write_private
from xopc.contracts.errors import ConfigError, LostSecretError, Problem

NO_FILE = b"{}\n"
"""What is kept of a configuration without a file, which means the same."""


def keep_accepted(resolved: Resolved) -> str | None:
    """Keep the text that a running generation was made from. Writes only where it differs from what is kept.

    Returns a warning where it could not be written; the gateway is none the worse for now.
    """
    copy = resolved.paths.accepted
    content = NO_FILE if resolved.content is None else resolved.content
    try:
        if _read(copy) != content:
            write_private(copy, content)
    except OSError as error:
        return f"{copy} could not be written ({error.strerror}): a broken configuration would find no copy of this one"
    return None


def resolve_or_accepted(environ: Mapping[str, str], flags: Flags, *, section: str | None = None) -> Resolved:
    """As `resolve`; where the file does not validate, with its last accepted copy, and with `refusal` set.

    Raises:
        ConfigError: neither is of use; says of both why.
        OSError: the disk fails, or the secrets of the copy cannot be had; it may work later.
    """
    try:
        return resolve(environ, flags, section=section)
    except ConfigError as error:
        return _resolve_accepted(environ, flags, error, section)


def _resolve_accepted(environ: Mapping[str, str], flags: Flags, refused: ConfigError, section: str | None) -> Resolved:
    paths = resolve_paths(environ)
    copy = paths.accepted
    try:
        resolved = weigh(paths, _load(copy), str(copy), environ, flags, section=section)
    except LostSecretError as error:
        # The gateway ran with them, and must not be given up because it crashes while one is being exchanged.
        raise OSError(refused.message if isinstance(refused, LostSecretError) else error.message) from error
    except ConfigError as error:
        what = f"the last accepted copy is of no help: {_first_problem(error)}"
        raise ConfigError(refused.source, *refused.problems, Problem(str(copy), what)) from None
    kept = datetime.fromtimestamp(copy.stat().st_mtime, UTC)
    refusal = (
        f"{paths.config_path} does not validate ({_first_problem(refused)}); serving with the copy of "
        f"{kept:%Y-%m-%d %H:%M} UTC that was last accepted. Mend the file, and it takes effect"
    )
    return evolve(resolved, refusal=refusal, warnings=(refusal, *resolved.warnings))


def _load(copy: Path) -> Document:
    document = load_document(copy)
    if document is None:
        raise ConfigError(str(copy), Problem(str(copy), "there is none, since no configuration has taken effect yet"))
    return document


def _first_problem(error: ConfigError) -> str:
    problem = error.problems[0]
    return problem.what if problem.path == error.source else str(problem)


def _read(copy: Path) -> bytes | None:
    try:
        return read_regular(copy)
    except (FileNotFoundError, IrregularFileError):
        return None
