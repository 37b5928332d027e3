"""An authority that exists in the tests alone, and what it issues: real certificates, in files."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from attrs import field, frozen
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

NAMES = ("localhost", "127.0.0.1")


@frozen
class Pair:
    """A certificate, with its chain, and its key."""

    certificate: Path
    key: Path

    def settings(self) -> dict[str, str]:
        """`gateway.tls`."""
        return {"certPath": str(self.certificate), "keyPath": str(self.key)}


@frozen
class Authority:
    """Issues certificates into a directory."""

    directory: Path
    _ca: trustme.CA = field(factory=trustme.CA)

    def issue(self, name: str = "gateway", *names: str, days: float = 30, password: str | None = None) -> Pair:
        """`<name>.pem` and `<name>.key`; files of the same name are replaced as a whole."""
        issued = self._ca.issue_cert(*(names or NAMES), not_after=datetime.now(UTC) + timedelta(days=days))
        pair = Pair(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        key = issued.private_key_pem.bytes()
        if password is not None:
            encryption = BestAvailableEncryption(password.encode())
            key = load_pem_private_key(key, None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        _replace(pair.certificate, b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        _replace(pair.key, key)
        return pair

    def file(self) -> Path:
        """The certificate of the authority itself, for `curl --cacert`."""
        path = self.directory / "authority.pem"
        path.write_bytes(self._ca.cert_pem.bytes())
        return path

    def client(self) -> ssl.SSLContext:
        """What a client has that trusts it."""
        return ssl.create_default_context(cadata=self._ca.cert_pem.bytes().decode())


def _replace(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)
