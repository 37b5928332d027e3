from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.fakes.certificates import Authority, Pair
from xopc.config.certificate import Certificate, expiry_warning, leaves, load_certificate, state_of
from xopc.config.tls import TlsFiles
from xopc.contracts.errors import ConfigError


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def load(pair: Pair, password: str | None = None) -> Certificate:
    return load_certificate(TlsFiles(pair.certificate, pair.key, password), "xopc.json")


def refusal(certificate: Path, key: Path, password: str | None = None) -> tuple[str, str]:
    """Where, and what."""
    with pytest.raises(ConfigError) as caught:
        load(Pair(certificate, key), password)
    assert caught.value.source == "xopc.json"
    (problem,) = caught.value.problems
    return problem


def test_a_pair_is_ready_to_serve_with(authority: Authority) -> None:
    certificate = load(authority.issue(days=30))
    assert certificate.context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert certificate.context.options & ssl.OP_NO_RENEGOTIATION
    assert timedelta(days=29) < certificate.expires - datetime.now(UTC) < timedelta(days=31)


def test_certificate_and_key_may_stand_in_one_file(authority: Authority) -> None:
    pair = authority.issue()
    pair.certificate.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    assert load(Pair(pair.certificate, pair.certificate)).leaf.startswith("-----BEGIN CERTIFICATE-----\n")


@pytest.mark.parametrize("days", [-0.5, 10, 3650, 365 * 40])
def test_the_last_day_is_read_as_others_read_it(authority: Authority, days: float) -> None:
    """From 2050 on it is written in another way."""
    pair = authority.issue(days=days)
    theirs = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    assert load(pair).expires == theirs.not_valid_after_utc


def test_a_warning_comes_two_weeks_before_the_end_and_after_it(authority: Authority) -> None:
    certificate = load(authority.issue(days=30))
    end = certificate.expires
    assert expiry_warning(certificate, end - timedelta(days=15)) is None
    soon, late = expiry_warning(certificate, end - timedelta(days=13)), expiry_warning(certificate, end)
    assert soon is not None
    assert late is not None
    assert soon.startswith(f"$.gateway.tls.certPath: the certificate expires on {end:%Y-%m-%d}")
    assert late.startswith(f"$.gateway.tls.certPath: the certificate expired on {end:%Y-%m-%d}")


# ------------------------------------------------------------------ what does not serve


def test_a_key_of_another_certificate_is_refused(authority: Authority) -> None:
    path, what = refusal(authority.issue().certificate, authority.issue("other").key)
    assert path == "$.gateway.tls.certPath"
    assert "does not belong to the certificate" in what


@pytest.mark.parametrize("kind", ["missing", "directory", "pipe", "huge", "empty", "other text", "key"])
def test_a_file_without_a_certificate_is_refused(authority: Authority, tmp_path: Path, kind: str) -> None:
    pair, path = authority.issue(), tmp_path / kind
    match kind:
        case "directory":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "huge":
            path.write_bytes(pair.certificate.read_bytes() + b"\n" * 1024 * 1024)
        case "key":
            path = pair.key
        case "missing":
            pass
        case _:
            path.write_bytes(b"" if kind == "empty" else b"\xff\x00 hello")
    at, what = refusal(path, pair.key)
    assert at == "$.gateway.tls.certPath"
    assert str(path) in what
    if kind != "key":
        assert refusal(pair.certificate, path)[0] == "$.gateway.tls.keyPath"


def test_a_key_file_without_a_key_is_refused(authority: Authority) -> None:
    pair = authority.issue()
    at, what = refusal(pair.certificate, pair.certificate)
    assert at == "$.gateway.tls.keyPath"
    assert "holds no private key" in what


def test_a_certificate_that_is_no_certificate_inside_is_refused(authority: Authority) -> None:
    pair = authority.issue()
    pair.certificate.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert refusal(pair.certificate, pair.key)[0] == "$.gateway.tls.certPath"


def test_an_encrypted_key_needs_its_password_and_nobody_is_asked_at_the_terminal(authority: Authority) -> None:
    pair = authority.issue(password="open sesame")
    assert load(pair, "open sesame").leaf
    for wrong in ("shut-sesame", "x" * 2000):
        at, what = refusal(pair.certificate, pair.key, wrong)
        assert at == "$.gateway.tls.keyPassword"
        assert "does not open" in what
        assert wrong not in what
    at, what = refusal(pair.certificate, pair.key)
    assert at == "$.gateway.tls.keyPassword"
    assert "is missing" in what


def test_a_password_that_is_not_needed_does_no_harm(authority: Authority) -> None:
    assert load(authority.issue(), "open sesame").leaf


# ----------------------------------------------------------------- files and copies


def test_the_state_of_files_tells_that_they_were_replaced(authority: Authority) -> None:
    pair = authority.issue()
    files = TlsFiles(pair.certificate, pair.key)
    certificate = load(pair)
    assert state_of(files) == certificate.state == state_of(files)
    authority.issue()
    assert state_of(files) != certificate.state
    pair.key.unlink()
    assert state_of(files)[1] is None


def test_leaves_are_the_first_certificates_once_each(authority: Authority, tmp_path: Path) -> None:
    one, other = authority.issue("one"), authority.issue("other")
    both = tmp_path / "both.pem"
    both.write_bytes(one.certificate.read_bytes() + other.certificate.read_bytes())
    known = leaves([one.certificate, both, other.certificate, tmp_path / "missing.pem", one.key])
    assert known == load(one).leaf + load(other).leaf
    assert leaves([]) == ""
