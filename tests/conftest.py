"""What holds for every test: an environment, a home and signals of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

import xopc
from tests.leaks import Search
from xopc.service.audit import audited

# A shared machine may pause a test for longer than any deadline of a single example.
hypothesis.settings.register_profile("xopc", deadline=None)
hypothesis.settings.load_profile("xopc")


def pytest_configure(config: pytest.Config) -> None:
    """Every test ends with a search for secrets that got out."""
    config.pluginmanager.register(Search())


_PREFIXES = ("XOPC_", "LISTEN_")
_NAMES = (
    *("NOTIFY_SOCKET", "INVOCATION_ID", "NO_COLOR", "SUDO_USER"),
    *("XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"),
)


@pytest.fixture(scope="session", autouse=True)
def no_real_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For fixtures that live longer than a test: nothing of whoever runs the tests is read or written."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(_PREFIXES) or name in _NAMES]:
            patch.delenv(name)
        _move_home(patch, tmp_path_factory.mktemp("home"))
        yield


@pytest.fixture(scope="session", autouse=True)
def checkout_for_good() -> Iterator[None]:
    """Sources that somebody has put into a temporary place are no fault of the services that the tests install."""
    checkout = Path(xopc.__file__).parents[1]
    is_temporary = audited.is_temporary

    def is_temporary_elsewhere(program: Path) -> bool:
        return not program.is_relative_to(checkout) and is_temporary(program)

    with pytest.MonkeyPatch.context() as patch:
        if is_temporary(checkout):
            patch.setattr(audited, "is_temporary", is_temporary_elsewhere)
        yield


@pytest.fixture(scope="session", autouse=True)
def heard_ctrl_c() -> None:
    """A shell without job control starts what is behind `&` with SIGINT ignored, and every child inherits that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def home(no_real_home: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own home directory: `tmp_path`."""
    _move_home(monkeypatch, tmp_path)
    return tmp_path


def _move_home(patch: pytest.MonkeyPatch, home: Path) -> None:
    patch.setenv("HOME", str(home))
    patch.setenv("XOPC_HOME", str(home))
