"""A copy of the two packages that a gateway is started from, so that it can be upgraded, broken and mended."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import xopc
import xopc_supervisor

CHILD = Path(__file__).parents[2] / "fakes" / "hanging_gateway.py"
VERSION, NEXT_VERSION = "1000.0", "1000.1"
"""Not of this repository, so that what serves tells by its version where it came from."""
MIGRATION = "one_session_a_message"
FAILING = "CREATE UNIQUE INDEX {name} ON messages (session_id);\n"
"""Holds for an empty database, and for no conversation: there the first session has two messages at least."""
MENDED = "CREATE INDEX {name} ON messages (session_id);\n"


class Installation:
    """`directory`, when it is first on PYTHONPATH, is the xopc that runs; its child has a route that hangs it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for package in (xopc, xopc_supervisor):
            source = Path(str(package.__file__)).parent
            shutil.copytree(source, directory / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        self._program = directory / "xopc" / "gateway" / "__main__.py"
        self._versions = directory / "xopc" / "__init__.py"
        self._migrations = directory / "xopc" / "storage" / "migrations"
        self._write_version(VERSION)
        self.mend_child()
        # As an installed package is, and whatever PYTHONDONTWRITEBYTECODE says.
        subprocess.run([sys.executable, "-m", "compileall", "-q", str(directory)], check=True)

    def break_child(self) -> None:
        """A new process would end at once."""
        self._program.write_text("raise SystemExit('this installation is broken')\n")

    def mend_child(self) -> None:
        shutil.copyfile(CHILD, self._program)

    def upgrade(self) -> str:
        """Install the next version, whose migration fails on real data: the migration's file name."""
        number = 1 + max(int(file.name.partition("_")[0]) for file in self._migrations.glob("*.sql"))
        self._migration = self._migrations / f"{number:04}_{MIGRATION}.sql"
        self._migration.write_text(FAILING.format(name=MIGRATION))
        self._write_version(NEXT_VERSION)
        return self._migration.name

    def mend_migration(self) -> None:
        self._migration.write_text(MENDED.format(name=MIGRATION))

    def _write_version(self, version: str) -> None:
        self._versions.write_text(f'"""xopc, as one of its tests installed it."""\n\n__version__ = "{version}"\n')
