"""Environments with xopc in them: the sources that are tested, under other versions."""

from __future__ import annotations

import sys
from pathlib import Path

from xopc_supervisor.contract import Installation


def make_environment(path: Path, root: Path, version: str, *, python: str = f'exec {sys.executable} "$@"') -> Path:
    """An environment at `path` that belongs to those below `root`; `python` is what its interpreter does, in sh."""
    (path / "bin").mkdir(parents=True)
    for name, script in (("python", python), ("xopc", f"echo {version}")):
        program = path / "bin" / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    version_file = path / "lib" / "xopc" / "__init__.py"
    version_file.parent.mkdir(parents=True)
    version_file.write_text(f'__version__ = "{version}"\n')
    record = Installation(str(root / "current"), "lib/xopc/__init__.py", f"sha256={version}")
    (path / Installation.NAME).write_text(record.to_json())
    return path
