"""What the command refuses; what it does is in tests/e2e/test_update.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xopc.cli.update.command import update


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"to": "1.0"}, "--to goes with --rollback"),
        ({"version": "1.0", "wheel": Path("x.whl")}, "give one of them"),
        ({"rollback": True, "check": True}, "installs none"),
        ({"rollback": True, "version": "1.0"}, "--rollback --to VERSION"),
        ({"version": ""}, "--version takes a version, such as 1.2.0"),
        ({"version": "1.0,>0"}, "--version takes a version, such as 1.2.0"),
        ({"version": "../../etc"}, "--version takes a version, such as 1.2.0"),
        ({"wheel": Path("missing.whl")}, "missing.whl is no file"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: dict[str, Any], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert update(**options) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("xopc update: ")
    assert problem in shown.err
    assert shown.out == ""


def test_sources_are_left_to_whoever_edits_them(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert update() == 1
    assert "`git pull` there" in capsys.readouterr().err
    assert update(rollback=True, as_json=True) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["ok"] is False
    assert "runs from its sources in" in shown["error"]
    assert list(home.iterdir()) == [], "nothing was made"
