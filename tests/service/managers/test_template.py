"""The definitions that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from xopc.service.managers import template
from xopc.service.managers.template import read_template


def test_a_template_is_found_in_a_checkout() -> None:
    assert "Type=notify" in read_template("xopc-gateway.service")


def test_what_was_installed_comes_before_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "xopc-gateway.service").write_text("installed")
    monkeypatch.setattr(template, "_SHIPPED", tmp_path)
    assert read_template("xopc-gateway.service") == "installed"
