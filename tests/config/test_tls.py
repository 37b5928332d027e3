from __future__ import annotations

from pathlib import Path

import pytest

from xopc.config.findings import Findings
from xopc.config.paths import resolve_paths
from xopc.config.tls import TlsFiles, resolve_tls
from xopc.contracts.settings.file import TlsSettings

PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIInvented\n-----END PRIVATE KEY-----\n"
ENVIRON = {"HOME": "/home/ana", "XOPC_CONFIG_PATH": "/etc/xopc/xopc.json"}


def resolved(settings: TlsSettings) -> tuple[TlsFiles | None, Findings]:
    findings = Findings()
    return resolve_tls(settings, resolve_paths(ENVIRON), ENVIRON, findings), findings


def test_without_a_word_the_port_speaks_plain_http() -> None:
    assert resolved(TlsSettings()) == (None, Findings())


def test_a_certificate_turns_it_on_and_enabled_false_off() -> None:
    settings = TlsSettings(cert_path="/tls/a.pem", key_path="/tls/a.key", key_password="open sesame")
    assert resolved(settings) == (TlsFiles(Path("/tls/a.pem"), Path("/tls/a.key"), "open sesame"), Findings())
    off = TlsSettings(enabled=False, cert_path="/tls/a.pem")
    assert resolved(off) == (None, Findings())


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("gateway.pem", "/etc/xopc/gateway.pem"),
        ("../tls/gateway.pem", "/etc/xopc/../tls/gateway.pem"),
        ("~/gateway.pem", "/home/ana/gateway.pem"),
        ("~root/gateway.pem", str(Path("~root/gateway.pem").expanduser())),
        (" /tls/gateway.pem ", "/tls/gateway.pem"),
    ],
)
def test_paths_count_from_the_configuration_file_and_from_the_home(text: str, path: str) -> None:
    files, findings = resolved(TlsSettings(cert_path=text, key_path=text))
    assert files == TlsFiles(Path(path), Path(path))
    assert findings == Findings()


@pytest.mark.parametrize(
    ("settings", "paths"),
    [
        (TlsSettings(enabled=True), ["$.gateway.tls.certPath", "$.gateway.tls.keyPath"]),
        (TlsSettings(cert_path="a.pem"), ["$.gateway.tls.keyPath"]),
        (TlsSettings(key_path="a.key"), ["$.gateway.tls.certPath"]),
        (TlsSettings(cert_path="a.pem", key_path="  "), ["$.gateway.tls.keyPath"]),
        (TlsSettings(cert_path="~no-such-user/a.pem", key_path="a.key"), ["$.gateway.tls.certPath"]),
        (TlsSettings(cert_path="a.pem", key_path=PEM), ["$.gateway.tls.keyPath"]),
        (
            TlsSettings(cert_path="an\0invented.pem", key_path="\ud800"),
            ["$.gateway.tls.certPath", "$.gateway.tls.keyPath"],
        ),
    ],
)
def test_what_is_missing_or_wrong_is_refused_with_its_path(settings: TlsSettings, paths: list[str]) -> None:
    _, findings = resolved(settings)
    assert [problem.path for problem in findings.problems] == paths
    assert "nvented" not in str(findings.problems), "what was given in place of a path may be a secret"


def test_the_password_is_shown_nowhere() -> None:
    settings = TlsSettings(cert_path="a.pem", key_path="a.key", key_password="open sesame")
    assert "sesame" not in repr(settings) + repr(resolved(settings))
