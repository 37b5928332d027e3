"""Working on xopc itself: the profile of developers, and a gateway that follows its sources."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import xopc
from tests.e2e.harness import Gateway, run_xopc, until

CHECKOUT = Path(xopc.__file__).parent.parent
SCRIPT = "import sys; from xopc.cli.main import main; sys.exit(main())"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A checkout of its own, which tests may break."""
    checkout = tmp_path / "checkout"
    shutil.copytree(CHECKOUT / "xopc", checkout / "xopc")
    shutil.copytree(CHECKOUT / "supervisor" / "xopc_supervisor", checkout / "xopc_supervisor")
    shutil.copy(CHECKOUT / "pyproject.toml", checkout)
    return checkout


class DevGateway(Gateway):
    """`xopc --dev gateway --watch` of that checkout."""

    def __init__(self, home: Path, checkout: Path) -> None:
        python = [sys.executable, "-P", "-c", SCRIPT]
        super().__init__(home, within=["env", f"PYTHONPATH={checkout}", *python, *WORDS])
        self.state = home / ".xopc-dev"
