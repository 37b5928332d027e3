"""Each source has its test file in the mirrored place, and each test file its source.

`xopc/config/load.py` is tested by `tests/config/test_load.py`, a `__main__.py` by `test_main.py`. A test file may add
a concern to its source's name (`test_load_failures.py`). Modules that only declare (constants, classes of fields,
protocols) have nothing to test.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.checks.repository import SOURCES, TESTS, name_of, sources

UNMIRRORED = {"benchmarks", "browser", "checks", "e2e", "fakes", "integration"}
"""Folders of tests that are of no one source."""

LOGIC = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.If, ast.For, ast.While, ast.Try)


def test_each_source_with_logic_has_its_test_file() -> None:
    missing = [
        f"{name_of(source)} needs {name_of(_test_of(source))}"
        for source in sources()
        if _has_logic(source) and not _is_tested(source)
    ]
    assert not missing, "\n".join(missing)


def test_each_test_file_has_its_source() -> None:
    orphans = [
        name_of(test)
        for test in sorted(TESTS.rglob("test_*.py"))
        if test.relative_to(TESTS).parts[0] not in UNMIRRORED and not _has_source(test)
    ]
    assert not orphans, "no source is tested by " + ", ".join(orphans)


@pytest.mark.parametrize(
    "text",
    [
        "def f() -> int:\n    return 1",
        "class A:\n    @property\n    def a(self) -> int:\n        return 1",
        "A = [n for n in B]",
        "if A:\n    B = 1",
        "main()",
    ],
)
def test_code_is_logic(tmp_path: Path, text: str) -> None:
    source = tmp_path / "a.py"
    source.write_text(text)
    assert _has_logic(source)


@pytest.mark.parametrize(
    "text",
    [
        '"""What it is."""\nfrom a import b\nA = 1\n"""What A is."""',
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a",
        '@frozen\nclass A:\n    a: int = field(default=1)\n    """What a is."""',
        'class A(Protocol):\n    def a(self) -> int:\n        """What a does."""\n        ...',
    ],
)
def test_a_declaration_is_not(tmp_path: Path, text: str) -> None:
    source = tmp_path / "a.py"
    source.write_text(text)
    assert not _has_logic(source)


@pytest.mark.parametrize(
    ("name", "text"),
    [("__main__.py", "import sys\nfrom a import main\nsys.exit(main())"), ("__init__.py", "app = App()\napp.add(a)")],
)
def test_a_package_that_only_calls_what_is_elsewhere_is_not(tmp_path: Path, name: str, text: str) -> None:
    source = tmp_path / name
    source.write_text(text)
    assert not _has_logic(source)


def _test_of(source: Path) -> Path:
    top = next(top for top in SOURCES if source.is_relative_to(top))
    folder = SOURCES[top] / source.relative_to(top).parent
    # A package's own code is tested beside the package, under the package's name.
    if source.stem == "__init__":
        return folder.parent / f"test_{folder.name}.py"
    return folder / f"test_{source.stem.strip('_')}.py"


def _is_tested(source: Path) -> bool:
    test = _test_of(source)
    return test.exists() or any(test.parent.glob(f"{test.stem}_*.py"))


def _has_source(test: Path) -> bool:
    return any(
        test == mirrored or (test.parent == mirrored.parent and test.stem.startswith(f"{mirrored.stem}_"))
        for mirrored in map(_test_of, sources())
    )


def _has_logic(source: Path) -> bool:
    tree = ast.parse(source.read_text("utf-8"))
    nodes = [node for statement in tree.body if not _is_for_types(statement) for node in ast.walk(statement)]
    if any(isinstance(node, LOGIC) or _has_body(node) for node in nodes):
        return True
    calls = [statement for statement in tree.body if isinstance(statement, ast.Expr) and not _says(statement)]
    return bool(calls) and source.stem not in ("__init__", "__main__")


def _has_body(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return not all(isinstance(statement, ast.Expr) and _says(statement) for statement in node.body)


def _says(statement: ast.Expr) -> bool:
    """Whether it is a docstring or an ellipsis."""
    return isinstance(statement.value, ast.Constant)


def _is_for_types(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"
