"""The files of this repository, for the checks that walk them."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

TESTS = ROOT / "tests"

SOURCES = {ROOT / "xopc": TESTS, ROOT / "supervisor" / "xopc_supervisor": TESTS / "supervisor"}
"""Where the sources are, and where the tests of each tree of them are."""


def files() -> Iterator[Path]:
    """Every file that is, or would be, under version control."""
    yield from _below(ROOT, [".git", *(ROOT / ".gitignore").read_text("utf-8").replace("/\n", "\n").splitlines()])


def sources() -> Iterator[Path]:
    """Every Python file that is installed."""
    for top in SOURCES:
        yield from sorted(top.rglob("*.py"))


def name_of(path: Path) -> str:
    """`path` as it is written in a message: from the repository's root."""
    return path.relative_to(ROOT).as_posix()


def _below(directory: Path, ignored: list[str]) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if any(fnmatch(path.name, pattern) for pattern in ignored):
            continue
        if path.is_dir():
            yield from _below(path, ignored)
        else:
            yield path
