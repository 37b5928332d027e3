"""The docstrings of attributes. Python throws them away, so they are read from the source."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping
from functools import cache


def attribute_docs(cls: type[object]) -> Mapping[str, str]:
    """Attribute → the text below it, those of base classes included; empty where the source is not at hand."""
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        texts |= _of_module(base.__module__).get(base.__qualname__, {})
    return texts


@cache
def _of_module(name: str) -> Mapping[str, Mapping[str, str]]:
    """Class at the top of the module → the docstrings of its attributes."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[name]))
    except (OSError, TypeError, SyntaxError):
        return {}  # built in, or shipped without sources
    return {node.name: dict(_of_class(node)) for node in tree.body if isinstance(node, ast.ClassDef)}


def _of_class(tree: ast.ClassDef) -> list[tuple[str, str]]:
    texts: list[tuple[str, str]] = []
    for statement, follower in zip(tree.body, tree.body[1:], strict=False):
        match statement, follower:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as text)):
                texts.append((name, inspect.cleandoc(text)))
            case _:
                pass
    return texts
