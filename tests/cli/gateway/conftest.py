"""A home whose service manager is a recording one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.service_managers import FakeManagers


@pytest.fixture
def managers(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeManagers]:
    """The managers of a Linux machine."""
    monkeypatch.setattr(sys, "platform", "linux")
    with FakeManagers(home) as managers:
        for name, value in managers.environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("SUDO_USER", raising=False)
        yield managers
