"""What a start does before anything is served: make the directories, and see to it that there is a token."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

from attrs import evolve, frozen

from xopc.config.accepted import resolve_or_accepted
from xopc.config.certificate import Certificate, expiry_warning, load_certificate
from xopc.config.load import Document, load_document
from xopc.config.resolve import Flags, Resolved, resolve
from xopc.config.secrets.references import has_reference
from xopc.config.workspace import place_of_workspace
from xopc.config.write import create_document, is_read_only, replace_document
from xopc.contracts.auth import Auth, AuthMode, SecretSource
from xopc.contracts.convert import JsonObject
from xopc.contracts.errors import ConfigError, Problem

GENERATED_TOKEN_BYTES = 24


def prepare(environ: Mapping[str, str], flags: Flags, *, use_accepted: bool = False) -> Resolved:
    """The configuration in force, ready to serve with: as `resolve`, and what is missing is made.

    That is the state directory and the workspace (mode 0700), the configuration file, and in mode `token` a token
    where there is none. The token is written to the file, so that the next start finds it. Where that cannot be
    done, or the flags say `unconfigured`, it lives in `auth` and `flags` of the result alone, and a warning says so.

    Where the port speaks HTTPS, the certificate is loaded, into `certificate`; one that expires soon is a warning.

    With `use_accepted`, a file that does not validate is left alone, and its last accepted copy is in force;
    `Resolved.refusal` says so.

    Raises:
        ConfigError: as `resolve`, or one of the directories cannot be made, or the certificate does not serve; or the
            copy does not help.
        OSError: the disk fails, or with `use_accepted` the certificate does not serve; it may work later.
    """
    resolved = (resolve_or_accepted if use_accepted else resolve)(environ, flags)
    paths = resolved.paths
    certificate = _certificate(resolved, is_patient=use_accepted)
    _make_directory(paths.state_dir, "XOPC_STATE_DIR")
    _make_directory(paths.workspace, place_of_workspace(resolved.settings.agents.defaults.workspace, environ))
    lacking = resolved.auth.mode is AuthMode.TOKEN and resolved.auth.secret is None
    token = generate_token() if lacking else None
    saved = _Saved()
    if not flags.unconfigured and resolved.refusal is None and (lacking or not paths.config_path.exists()):
        saved = _save(paths.config_path, token)
        # Read it back: another start may have written its own token first, and the file is what counts.
        resolved = resolve(environ, flags)
    resolved = evolve(resolved, first_run=saved.created, warnings=(*resolved.warnings, *saved.warnings))
    if certificate is not None:
        resolved = _noted(resolved, certificate)
    return _with_token(resolved, token) if token else resolved


def generate_token() -> str:
    """A token that nobody can guess: 48 hex digits."""
    return token_hex(GENERATED_TOKEN_BYTES)


def with_certificate(resolved: Resolved) -> Resolved:
    """The same, with its certificate loaded where the port speaks HTTPS; one that expires soon is a warning.

    Raises:
        ConfigError: it does not serve.
        OSError: the disk fails; it may work later.
    """
    if resolved.tls is None:
        return resolved
    return _noted(resolved, load_certificate(resolved.tls, str(resolved.paths.config_path)))


def _certificate(resolved: Resolved, *, is_patient: bool) -> Certificate | None:
    """The certificate of a configuration, None where it has none. With `is_patient`, one that does not serve may do so
    later: the gateway ran with it, and must not be given up because it crashes while the files are being renewed."""
    try:
        return with_certificate(resolved).certificate
    except ConfigError as error:
        if is_patient:
            raise OSError(error.message) from error
        raise


def _noted(resolved: Resolved, certificate: Certificate) -> Resolved:
    warning = expiry_warning(certificate, datetime.now(UTC))
    warnings = (*resolved.warnings, warning) if warning else resolved.warnings
    return evolve(resolved, certificate=certificate, warnings=warnings)


def _with_token(resolved: Resolved, token: str) -> Resolved:
    generated = Auth(AuthMode.TOKEN, token, SecretSource.GENERATED)
    flags = evolve(resolved.flags, generated=sha256(token.encode()).hexdigest())
    if resolved.auth.secret == token:
        return evolve(resolved, auth=generated, flags=flags)
    if resolved.auth.secret is not None:
        return resolved
    warning = "the token is kept in memory alone: it is another one after the next start"
    return evolve(
        resolved,
        auth=generated,
        flags=evolve(flags, token=token),
        warnings=(*resolved.warnings, warning),
    )


@frozen
class _Saved:
    """What came of writing the configuration."""

    created: bool = False
    warnings: tuple[str, ...] = ()


def _save(path: Path, token: str | None) -> _Saved:
    """Write the token, or an empty configuration. What fails is a warning."""
    try:
        if create_document(path, _with({}, token)):
            return _Saved(created=True)
        document = load_document(path)
        warning = _add_token(path, document, token) if token and document else None
    except OSError as error:
        warning = f"{path} could not be written ({error.strerror})" if token else None
    return _Saved(warnings=(warning,) if warning else ())


def _add_token(path: Path, document: Document, token: str) -> str | None:
    """Write the token into a file, unless another start has written one there in the meantime."""
    before = document.values.get("gateway", {}).get("auth", {}).get("token")
    if has_reference(before):
        return f"{path} takes its token from the environment, where it is empty"
    if before and before.strip():
        return None
    if is_read_only(path):
        return f"{path} is read-only"
    is_written = replace_document(path, _with(document.values, token), document.content)
    if not is_written or document.plain:
        return None
    return f"{path} was written with a new token; its comments stand in {path.name}.bak"


def _with(values: JsonObject, token: str | None) -> JsonObject:
    """The configuration with a token in its place."""
    if token is None:
        return values
    gateway = values.get("gateway", {})
    return {**values, "gateway": {**gateway, "auth": {**gateway.get("auth", {}), "token": token}}}


def _make_directory(path: Path, place: str) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in _LASTING:
            raise
        what = f"cannot make the directory {path} ({error.strerror}): name one where you may write"
        raise ConfigError("environment", Problem(place, what)) from None


_LASTING = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
"""Errors that no later try mends."""
