"""`xopc doctor`."""

from __future__ import annotations

import io
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gateway import TOKEN, configure, running_gateway, stranger
from tests.ports import free_port
from xopc.cli.doctor.command import doctor
from xopc.cli.doctor.examination import CHECKS


@pytest.fixture
def private(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose configuration nobody else may read, and whose port is free."""
    with stranger(home) as process:
        path = configure(home, port=process.port)
    path.chmod(0o600)
    path.parent.chmod(0o700)
    monkeypatch.chdir(home)
    monkeypatch.setenv("PATH", str(home / "bin"))  # no service manager of whoever runs the tests is asked
    return path


def as_json(capsys: pytest.CaptureFixture[str], code: int, config: Path | None = None) -> Any:  # noqa: ANN401 - JSON
    assert doctor(as_json=True, config=config) == code
    return json.loads(capsys.readouterr().out)


def columns(line: str) -> int:
    """The width of a line on a terminal."""
    return sum(2 if unicodedata.east_asian_width(sign) == "W" else 1 for sign in line)


def test_where_all_is_well_that_is_said(private: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor() == 0
    text = capsys.readouterr().out
    words = " ".join(text.split())
    assert words.startswith(
        f"Configuration ✅ {private} validates Security ✅ The security audit finds nothing "
        "✅ No secret is kept elsewhere"
    )
    assert text.endswith("\n\n✅ Nothing is wrong.\n")
    assert "❌" not in text


def test_a_running_gateway_is_well_too(private: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(private.parent.parent):
        found = as_json(capsys, 0)
    assert found["ok"]
    assert found["counts"] == {"critical": 0, "warn": 0, "info": 0}
    assert not any(check["skipped"] for check in found["checks"])


def test_warnings_are_no_failure(private: Path, capsys: pytest.CaptureFixture[str]) -> None:
    private.write_text(json.dumps({"gateway": {"port": 1, "auth": {"mode": "none"}, "odd": 1}}))
    assert doctor() == 0
    text = capsys.readouterr().out
    assert "⚠️  Authentication is off\n   $.gateway.auth.mode [gateway.auth.none_loopback]\n" in text
    assert text.endswith("⚠️  2 to look at\n")


def test_on_a_narrow_terminal_lines_are_broken_between_words(
    private: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert doctor() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if columns(line) > 40 and " " in line.strip().removeprefix("✅ ")] == []
    assert "✅ The port speaks plain HTTP: there is" in lines


def test_what_is_critical_is_a_failure(private: Path, capsys: pytest.CaptureFixture[str]) -> None:
    private.write_text(json.dumps({"gateway": {"port": free_port(), "bind": "lan", "auth": {"mode": "none"}}}))
    assert doctor() == 1
    assert capsys.readouterr().out.endswith("❌ 2 critical, 2 to look at\n")


def test_each_fault_says_what_where_and_how_to_mend_it(private: Path, capsys: pytest.CaptureFixture[str]) -> None:
    private.write_text("{")
    found = as_json(capsys, 1)
    assert set(found) == {"ok", "counts", "checks"}
    assert [check["id"] for check in found["checks"]] == [check.id for check in CHECKS]
    (fault,) = found["checks"][0]["faults"]
    assert set(fault) == {"checkId", "severity", "title", "where", "detail", "remediation", "fixable"}
    assert (fault["checkId"], fault["severity"], fault["where"]) == ("config.invalid", "critical", str(private))


def test_a_broken_file_of_a_running_gateway_is_found_and_the_gateway_looked_at(
    private: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(private.parent.parent) as gateway:
        private.write_text("{")
        found = {check["id"]: check for check in as_json(capsys, 1)["checks"]}
    assert found["gateway.running"]["summary"].startswith(f"It runs (pid {gateway.pid})")
    assert found["security.audit"]["skipped"]
    assert found["port.listeners"]["summary"] == f"Port {gateway.port} is the gateway's"


def test_an_environment_that_names_no_place_is_a_fault(
    private: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XOPC_PROFILE", "two words")
    first, *others = as_json(capsys, 1)["checks"]
    assert first["faults"][0]["where"] == "XOPC_PROFILE (environment)"
    assert all(check["skipped"] for check in others)


def test_another_file_can_be_named(private: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = private.with_name("other.json")
    other.write_text("5")
    assert as_json(capsys, 1, other)["checks"][0]["faults"][0]["where"] == str(other)


def test_it_changes_nothing_and_shows_no_secret(private: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(private.parent.rglob("*"))
    doctor()
    assert sorted(private.parent.rglob("*")) == before
    assert TOKEN not in capsys.readouterr().out


def test_lines_fit_into_80_columns_and_paths_stay_whole(private: Path, capsys: pytest.CaptureFixture[str]) -> None:
    private.write_text(json.dumps({"gateway": {"bind": "lan", "auth": {"mode": "none"}, "x" * 100: 1}}))
    private.chmod(0o666)
    doctor()
    lines = capsys.readouterr().out.splitlines()
    assert all(columns(line) <= 80 or len(line.split()) <= 3 for line in lines)
    assert any(str(private) in line for line in lines)


def test_what_is_fixable_is_told_and_mended_when_that_is_asked_for(
    private: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    private.chmod(0o644)
    assert doctor() == 1
    assert capsys.readouterr().out.endswith("🔧 1 of them can be mended by: xopc doctor --fix\n")
    assert doctor(fix=True, yes=True) == 0
    text = capsys.readouterr().out
    assert " ".join(text.split()).startswith(
        f"✅ {private} [files.permissions] Its mode was 0644, and is 0600. Configuration"
    )
    assert text.endswith("✅ Nothing is wrong.\n")


def test_what_was_mended_is_told_to_programs(private: Path, capsys: pytest.CaptureFixture[str]) -> None:
    private.chmod(0o644)
    assert doctor(fix=True, yes=True, as_json=True) == 0
    (one,) = json.loads(capsys.readouterr().out)["mended"]
    assert (one["checkIds"], one["where"], one["error"]) == (["files.permissions"], str(private), "")
    assert doctor(fix=True, yes=True, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["mended"] == []


def test_what_cannot_be_mended_is_told_with_the_reason(private: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (private.parent / "gateway.pid").write_text("my notes")
    assert doctor(fix=True, yes=True) == 0
    assert "It was not mended:" in capsys.readouterr().out
    assert (private.parent / "gateway.pid").exists()


@pytest.mark.parametrize(("answer", "mode"), [("y\n", 0o600), ("\n", 0o644), ("", 0o644)])
def test_a_person_is_asked_first(
    private: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    mode: int,
) -> None:
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    private.chmod(0o644)
    doctor(fix=True)
    assert private.stat().st_mode & 0o777 == mode
    assert f"🔧 Other users may read this file ({private})\nMend this? [y/N] " in capsys.readouterr().out


def test_where_nobody_can_answer_nothing_is_changed(
    private: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    private.chmod(0o644)
    assert doctor(fix=True) == 2
    assert "xopc doctor --fix --yes" in capsys.readouterr().err
    assert doctor(fix=True, as_json=True) == 2
    assert doctor(yes=True) == 2
    assert private.stat().st_mode & 0o777 == 0o644
