"""Reads `xopc.json`, from the disk to typed settings."""

from __future__ import annotations

import errno
import stat
from collections.abc import Mapping
from pathlib import Path

from attrs import evolve, field, frozen

from xopc.config.findings import Findings
from xopc.config.parse import NotJsonError, parse, position
from xopc.config.profile import default_port, profile_of
from xopc.config.secrets.references import NO_SECRETS, Secrets
from xopc.config.substitute import substitute
from xopc.contracts.convert import JsonObject, structure_known
from xopc.contracts.errors import ConfigError, InvalidValueError, Problem
from xopc.contracts.settings.file import Settings

MAX_BYTES = 4 * 1024 * 1024


@frozen
class Document:
    """The configuration as it stands in its file: references not replaced, unknown keys kept."""

    values: JsonObject
    plain: bool
    """Whether it is plain JSON. Writing `values` back drops the comments of one that is not."""
    content: bytes = field(default=b"", repr=False, eq=False)
    """What was read."""


def settings_in(
    document: Document | None, environ: Mapping[str, str], findings: Findings, secrets: Secrets = NO_SECRETS
) -> Settings:
    """The settings of a document, with their references replaced; the defaults of the profile where there is none.
    What refers to a secret that `secrets` does not know of stays as it is.

    Problems and warnings with the values go to `findings`; the defaults come back where there are problems.
    """
    if document is None:
        return _of_profile(Settings(), {}, environ)
    values = substitute(document.values, environ, findings, secrets)
    try:
        settings, unknown = structure_known(values, Settings)
    except InvalidValueError as error:
        findings.problems += error.problems
        return Settings()
    for problem in unknown:
        findings.warn(problem.path, problem.what)
    return _of_profile(settings, values, environ)


def _of_profile(settings: Settings, values: JsonObject, environ: Mapping[str, str]) -> Settings:
    """The settings with the port of the environment's profile, where the document names none."""
    gateway: JsonObject = values.get("gateway") or {}
    if gateway.get("port") is not None:
        return settings
    return evolve(settings, gateway=evolve(settings.gateway, port=default_port(profile_of(environ))))


def load_document(path: Path) -> Document | None:
    """The file's content, or None where there is no file.

    Raises:
        ConfigError: it cannot be read, or is no JSON object; with line and column where they are known.
        OSError: the disk fails; it may work later.
    """
    content = _read(path)
    try:
        return None if content is None else read_document(content)
    except NotJsonError as error:
        raise _refusal(path, str(error)) from None


def read_document(content: bytes) -> Document:
    """The content of a file.

    Raises:
        NotJsonError: it is no JSON object.
    """
    return Document(*parse(_decode(content)), content)


def _read(path: Path) -> bytes | None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _refusal(path, "is not a regular file: name another with XOPC_CONFIG_PATH")
        if status.st_size > MAX_BYTES:
            raise _refusal(path, f"is larger than {MAX_BYTES} bytes")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in _LASTING:
            raise
        cure = "let the user that runs the gateway read it, or name another with XOPC_CONFIG_PATH"
        raise _refusal(path, f"cannot be read ({error.strerror}): {cure}") from None


_LASTING = {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
"""Errors that no later try mends."""


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        what = f"is not UTF-8: {position(before, len(before))}: save the file as UTF-8"
        raise NotJsonError(what) from None


def _refusal(path: Path, what: str) -> ConfigError:
    return ConfigError(str(path), Problem(str(path), what))
