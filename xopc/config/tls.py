"""Whether the port speaks HTTPS, and with which files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from xopc.config.findings import Findings
from xopc.config.paths import Paths, configured_path
from xopc.contracts.errors import ConfigError
from xopc.contracts.settings.file import TlsSettings

CERTIFICATE_PATH = "$.gateway.tls.certPath"
KEY_PATH = "$.gateway.tls.keyPath"
PASSWORD_PATH = "$.gateway.tls.keyPassword"  # noqa: S105  where it stands


@frozen
class TlsFiles:
    """What HTTPS is spoken with, in PEM files that may change at any time."""

    certificate: Path
    """The gateway's own certificate first, then those that vouch for it."""
    key: Path
    password: str | None = field(default=None, repr=False)
    """Opens the key, if it is encrypted."""


def resolve_tls(settings: TlsSettings, paths: Paths, environ: Mapping[str, str], findings: Findings) -> TlsFiles | None:
    """The files that `gateway.tls` names; None where the port is to speak plain HTTP. Looks at none of them."""
    certificate, key = (settings.cert_path or "").strip(), (settings.key_path or "").strip()
    if settings.enabled is False or (settings.enabled is None and not certificate and not key):
        return None
    if not certificate:
        what = "is missing: name the PEM file of the certificate, or set gateway.tls.enabled to false"
        findings.refuse(CERTIFICATE_PATH, what)
    if not key:
        what = "is missing: name the PEM file of the certificate's private key, or set gateway.tls.enabled to false"
        findings.refuse(KEY_PATH, what)
    return TlsFiles(
        _resolve(CERTIFICATE_PATH, certificate, paths, environ, findings),
        _resolve(KEY_PATH, key, paths, environ, findings),
        settings.key_password or None,
    )


def _resolve(at: str, text: str, paths: Paths, environ: Mapping[str, str], findings: Findings) -> Path:
    if "-----BEGIN" in text or not text.isprintable():
        # Nothing of it may be shown.
        findings.refuse(at, "must be the path of a file, not what stands in it: name the file")
        return Path()
    try:
        return configured_path(text, paths, environ)
    except ConfigError as error:
        findings.refuse(at, error.problems[0].what)
        return Path(text)
