"""A certificate with its key: read from PEM files, and made sure of before anybody is served with it."""

from __future__ import annotations

import errno
import re
import ssl
import stat
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from attrs import frozen

from xopc.config.regular import read_regular
from xopc.config.tls import CERTIFICATE_PATH, KEY_PATH, PASSWORD_PATH, TlsFiles
from xopc.contracts.errors import ConfigError, Problem

MAX_BYTES = 1024 * 1024
EXPIRES_SOON = timedelta(days=14)
"""A warning comes so long before the end. Who renews automatically does so 30 days before it."""

State: TypeAlias = "tuple[tuple[int, int, int] | None, ...]"
"""Of files: when each was written, which it is, and how long; it differs where one was changed or replaced."""

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")
_LASTING = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}
"""Errors that no later try mends."""
_VERSION = 0xA0
_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}
"""UTCTime and GeneralizedTime."""


@frozen(eq=False)
class Certificate:
    """A certificate with its key, ready to serve with."""

    files: TlsFiles
    context: ssl.SSLContext
    leaf: str
    """The gateway's own certificate, as PEM, without those that vouch for it."""
    expires: datetime
    state: State
    """Of the files, before they were read."""


def load_certificate(files: TlsFiles, source: str) -> Certificate:
    """What is in the files now. `source` is the configuration that names them.

    Raises:
        ConfigError: it does not serve; says why and what to do.
        OSError: the disk fails; it may work later.
    """
    try:
        return _load(files)
    except _RefusedError as error:
        raise ConfigError(source, error.problem) from None


def state_of(files: TlsFiles) -> State:
    """To be compared with that of another time."""
    return tuple(map(_state, (files.certificate, files.key)))


def expiry_warning(certificate: Certificate, now: datetime) -> str | None:
    """A sentence on a certificate that clients refuse now, or will soon."""
    if certificate.expires <= now:
        verb = "expired on"
    elif certificate.expires <= now + EXPIRES_SOON:
        verb = "expires on"
    else:
        return None
    when = f"{certificate.expires:%Y-%m-%d %H:%M} UTC"
    return f"{CERTIFICATE_PATH}: the certificate {verb} {when}: renew it, and the gateway takes the new one by itself"


def leaves(paths: Iterable[Path]) -> str:
    """The first certificate of each PEM file, for who trusts exactly these; of one that cannot be read, none."""
    found: list[bytes] = []
    for path in paths:
        try:
            found += _CERTIFICATE.findall(read_regular(path, MAX_BYTES))[:1]
        except OSError:
            continue
    return "".join(f"{pem.decode()}\n" for pem in dict.fromkeys(found))


class _RefusedError(Exception):
    """The files do not serve."""

    def __init__(self, at: str, what: str) -> None:
        super().__init__(what)
        self.problem = Problem(at, what)


def _load(files: TlsFiles) -> Certificate:
    state = state_of(files)
    text, key = _read(files.certificate, CERTIFICATE_PATH), _read(files.key, KEY_PATH)
    first = _CERTIFICATE.search(text)
    if first is None:
        what = f"{files.certificate} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)"
        raise _RefusedError(CERTIFICATE_PATH, f"{what}: name the file with the certificate and its chain")
    if _KEY.search(key) is None:
        what = f"{files.key} holds no private key in PEM (-----BEGIN PRIVATE KEY-----)"
        raise _RefusedError(KEY_PATH, f"{what}: name the file with the key of the certificate")
    context = _new_context()
    _load_chain(context, files)
    leaf = first[0].decode()
    return Certificate(files, context, f"{leaf}\n", _expiry(leaf), state)


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load_chain(context: ssl.SSLContext, files: TlsFiles) -> None:
    """Let OpenSSL read the pair."""
    was_asked = False

    def password() -> str:
        nonlocal was_asked
        was_asked = True
        return files.password or ""

    try:
        context.load_cert_chain(files.certificate, files.key, password)
    except (ssl.SSLError, ValueError) as error:  # a password of more than 1024 bytes is a ValueError
        reason = error.reason if isinstance(error, ssl.SSLError) else None
        if reason == "KEY_VALUES_MISMATCH":
            what = f"the key in {files.key} does not belong to the certificate in {files.certificate}"
            raise _RefusedError(CERTIFICATE_PATH, f"{what}: name two that were issued together") from None
        if was_asked and files.password:
            raise _RefusedError(PASSWORD_PATH, f"does not open the key in {files.key}: set the right one") from None
        if was_asked:
            raise _RefusedError(PASSWORD_PATH, f"is missing, and the key in {files.key} is encrypted: set it") from None
        why = f" ({reason.replace('_', ' ').lower()})" if reason else ""
        what = f"OpenSSL cannot use {files.certificate} with {files.key}{why}: have the certificate issued again"
        raise _RefusedError(CERTIFICATE_PATH, what) from None


# ---------------------------------------------------------------------- files


def _read(path: Path, at: str) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _RefusedError(at, f"{path} is not a regular file: name another")
        if status.st_size > MAX_BYTES:
            raise _RefusedError(at, f"{path} is larger than {MAX_BYTES} bytes: name another")
        return path.read_bytes()
    except OSError as error:
        if error.errno not in _LASTING:
            raise
        cure = "name one that is there" if error.errno == errno.ENOENT else "let the user that runs the gateway read it"
        raise _RefusedError(at, f"{path} cannot be read ({error.strerror}): {cure}") from None


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


# ------------------------------------------------------------------------ DER


def _expiry(pem: str) -> datetime:
    """`notAfter` of a certificate: RFC 5280, section 4.1. The standard library tells it of verified peers alone."""
    try:
        certificate = next(_elements(ssl.PEM_cert_to_DER_cert(pem)))[1]
        fields = list(_elements(next(_elements(certificate))[1]))
        # version (explicit, and it may be missing), serial number, signature, issuer, validity
        validity = fields[4 if fields[0][0] == _VERSION else 3][1]
        kind, text = list(_elements(validity))[1]
        return datetime.strptime(text.decode(), _TIMES[kind]).replace(tzinfo=UTC)
    except (ValueError, LookupError, StopIteration):
        what = "the certificate's last day cannot be found: have it issued again"
        raise _RefusedError(CERTIFICATE_PATH, what) from None


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element."""
    while der:
        tag, length, begin = der[0], der[1], 2
        if length & 0x80:
            begin += length & 0x7F
            length = int.from_bytes(der[2:begin])
        yield tag, der[begin : begin + length]
        der = der[begin + length :]
