"""Where xopc is started from."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from xopc.service.program import stable_program


def test_the_script_beside_the_interpreter_starts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "xopc"
    script.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert stable_program() == (str(script),)


def test_without_a_script_the_interpreter_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = str(tmp_path / "python")
    monkeypatch.setattr(sys, "executable", python)
    assert stable_program() == (python, "-P", "-m", "xopc")
