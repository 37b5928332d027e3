from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.gateway import TOKEN, configure
from xopc.cli.secrets import service
from xopc.cli.secrets.auditing import audit


@pytest.fixture(autouse=True)
def no_system_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "SYSTEM_UNITS", tmp_path / "system")


def write(home: Path, document: object) -> None:
    path = configure(home)
    path.write_text(json.dumps(document))
    path.chmod(0o600)
    path.parent.chmod(0o700)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"gateway": {"auth": {"token": TOKEN}}}, 0),
        ({"providers": {"openai": "an-invented-key"}}, 1),
        ({"providers": {"openai": "${file:no}"}, "ext": {"apiKey": "an-invented-key"}}, 2),
    ],
)
def test_the_exit_code_tells_scripts_what_was_found(
    home: Path, capsys: pytest.CaptureFixture[str], document: object, code: int
) -> None:
    write(home, document)
    assert audit(check=True) == code
    assert audit() == 0
    printed = capsys.readouterr().out
    assert "an-invented-key" not in printed
    assert TOKEN not in printed


def test_json_has_each_finding_with_its_cure(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(home, {"providers": {"openai": "${file:no}"}})
    assert audit(as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["unresolved"], told["counts"]) == (False, 1, {"critical": 1, "warn": 0, "info": 0})
    (finding,) = told["findings"]
    assert finding["checkId"] == "secrets.unresolved"
    assert finding["where"].startswith("$.providers.openai (")


def test_without_anything_to_mend_it_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(home, {})
    assert audit() == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("✅")] == [
        "✅ No secret is kept elsewhere",
        "✅ No secret stands in plain text",
        "✅ Nobody else may read what holds secrets",
        "✅ No service is installed",
    ]
