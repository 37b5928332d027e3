"""The repository holds what it should, and nothing of the machine that it was written on."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from tests.checks.repository import ROOT, files, name_of, sources

TOP_LEVEL = {
    ".ci", ".editorconfig", ".gitattributes", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile",
    "README.md", "constraints.txt", "docs", "pyproject.toml", "service-templates", "supervisor", "tests", "xopc",
}  # fmt: skip

BINARY = {".png", ".ico", ".gz", ".db"}

MAX_SOURCE_LINES = 400
"""A file that passes this is two things."""

UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
MACHINE_PATH = re.compile(r"(?<![\w.$~%}-])/(?:root|work|workspace|builds)/\w")
IGNORE = re.compile(
    r"#\s*(?:noqa(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?|(?:type|pyright):\s*ignore(?:\[[\w, -]+\])?)(?P<reason>[^\n]*)"
)
PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==[0-9][A-Za-z0-9.!+]*")


def test_only_known_entries_stand_at_the_top() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in files()} <= TOP_LEVEL


def test_text_files_end_in_one_newline_and_have_no_trailing_blanks() -> None:
    wrong = [name for name, text in _texts().items() if text and (not text.endswith("\n") or text.endswith("\n\n"))]
    wrong += [
        f"{name}:{number}"
        for name, text in _texts().items()
        for number, line in enumerate(text.split("\n"), 1)
        if "\r" in line or (line != line.rstrip() and not name.endswith(".md"))
    ]
    assert wrong == []


def test_nothing_is_left_unfinished() -> None:
    assert _found(UNFINISHED) == []
    assert [name_of(source) for source in sources() if "NotImplementedError" in source.read_text("utf-8")] == []


def test_no_path_of_a_developers_machine_is_named() -> None:
    assert _found(MACHINE_PATH) == []


def test_each_ignored_rule_has_its_reason() -> None:
    bare = [
        f"{name}:{number}"
        for name, text in _texts().items()
        if name.endswith(".py")
        for number, line in enumerate(text.splitlines(), 1)
        if (match := IGNORE.search(line)) and not re.search(r"\w{3}", match["reason"])
    ]
    assert bare == []


def test_no_source_is_too_long() -> None:
    lengths = {name_of(source): len(source.read_text("utf-8").splitlines()) for source in sources()}
    assert {name: length for name, length in lengths.items() if length > MAX_SOURCE_LINES} == {}


def test_the_supervisor_imports_the_standard_library_alone() -> None:
    foreign = {
        f"{name_of(source)} imports {module}"
        for source in sources()
        if "xopc_supervisor" in source.parts
        for module in _imports(source)
        if module.partition(".")[0] not in {*sys.stdlib_module_names, "xopc_supervisor"}
    }
    assert foreign == set()


def test_the_script_of_the_ci_can_be_run() -> None:
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_constraints_are_versions_alone_in_order() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert [line for line in lines if not PINNED.fullmatch(line)] == []
    assert lines == sorted(lines, key=str.upper)


def test_constraints_pin_every_dependency_that_is_asked_for() -> None:
    extras = _project()["optional-dependencies"].values()
    asked = [*_project()["dependencies"], *(requirement for extra in extras for requirement in extra)]
    pinned = {_canonical(line) for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()}
    assert {_canonical(requirement) for requirement in asked} - pinned == set()


def test_what_is_imported_is_what_is_asked_for() -> None:
    distributions = packages_distributions()
    imported = {module.partition(".")[0] for source in sources() for module in _imports(source)}
    foreign = imported - {*sys.stdlib_module_names, "xopc", "xopc_supervisor"}
    used = {_canonical(distribution) for module in foreign for distribution in distributions[module]}
    data = {"tzdata"}  # which zoneinfo of the standard library reads, where the system has none
    assert used | data == {_canonical(requirement) for requirement in _project()["dependencies"]}


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def _texts() -> dict[str, str]:
    return {name_of(path): path.read_bytes().decode() for path in files() if path.suffix not in BINARY}


def _found(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for name, text in _texts().items()
        for match in pattern.finditer(text)
    ]


def _imports(source: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.append(node.module)
    return names


def _canonical(requirement: str) -> str:
    """The name in a requirement, as package indexes compare names."""
    name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()
