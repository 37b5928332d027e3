from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.certificates import Authority
from tests.fakes.gateway import configure
from xopc.cli.doctor.certificate import look_at_certificate
from xopc.cli.doctor.check import Result, Sight
from xopc.cli.gateway.target import find_target
from xopc.config.audit import Severity


def looked() -> Result:
    return look_at_certificate(Sight(find_target(None)))


def serve_https(home: Path, days: float) -> None:
    configure(home, tls=Authority(home).issue(days=days).settings())


def test_plain_http_has_none(home: Path) -> None:
    configure(home)
    assert looked() == Result("The port speaks plain HTTP: there is no certificate to look at")


def test_one_that_is_good_for_long_is_fine(home: Path) -> None:
    serve_https(home, 90)
    assert looked().summary.startswith("The certificate is good until ")


@pytest.mark.parametrize(
    ("days", "code", "severity"), [(-1, "tls.expired", Severity.CRITICAL), (3, "tls.expires-soon", Severity.WARN)]
)
def test_one_that_ends_is_told(home: Path, days: float, code: str, severity: Severity) -> None:
    serve_https(home, days)
    (fault,) = looked().faults
    assert (fault.check_id, fault.severity, fault.where) == (code, severity, str(home / "gateway.pem"))


def test_one_that_does_not_serve_is_critical(home: Path) -> None:
    serve_https(home, 90)
    (home / "gateway.key").write_text("no key")
    (fault,) = looked().faults
    assert (fault.check_id, fault.where) == ("tls.unusable", "$.gateway.tls.keyPath")
    assert "holds no private key" in fault.detail


def test_a_broken_configuration_names_none(home: Path) -> None:
    configure(home, port="x")
    assert looked().skipped
