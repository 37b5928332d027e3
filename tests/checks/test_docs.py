"""What the reference documents is what there is: no more, no less."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from cyclopts import App

from tests.checks.repository import ROOT, files, name_of, sources
from xopc.cli.main import build_app
from xopc.contracts.settings import Settings
from xopc.server.api import ROUTES

REFERENCE = ROOT / "docs" / "reference"

VARIABLE = re.compile(r"XOPC_[A-Z][A-Z_]*[A-Z]")
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)(?:#[^)]*)?\)")


def test_each_environment_variable_that_is_read_is_documented() -> None:
    assert _variables_read() - _documented("environment.md", VARIABLE) == set()


def test_each_documented_environment_variable_is_read() -> None:
    assert _documented("environment.md", VARIABLE) - _variables_read() == set()


def test_each_setting_is_documented() -> None:
    documented = _documented("configuration.md", re.compile(r"[a-z][A-Za-z]*(?:\.[a-z][A-Za-z]*)*"))
    assert set(_settings(Settings)) - documented == set()


def test_each_route_is_documented() -> None:
    documented = _documented("api.md", re.compile(r"[A-Z]+ /\S*"))
    assert {f"{route.method} {route.path}" for route in ROUTES} - documented == set()


def test_each_documented_route_exists() -> None:
    documented = _documented("api.md", re.compile(r"(?:GET|HEAD|POST|PUT|PATCH|DELETE) /\S*"))
    assert documented - {f"{route.method} {route.path}" for route in ROUTES} == set()


def test_each_command_has_a_section_that_names_each_of_its_options() -> None:
    text = (REFERENCE / "cli.md").read_text("utf-8")
    shared, *sections = text.split("\n## ")
    documented = {title: body for title, _, body in (section.partition("\n") for section in sections)}
    common = shared + documented["What holds for all of them"]
    missing: list[str] = []
    for command, options in _commands(build_app(), "xopc"):
        section = common if command == "xopc" else documented.get(command)
        if section is None:
            missing.append(command)
            continue
        missing += [f"{command} {option}" for option in options if f"`{option}" not in section + common]
        missing += [
            f"{command} has no {row}" for row in re.findall(r"(?m)^\| `(--[a-z-]+)", section) if row not in options
        ]
    assert missing == []


@pytest.mark.parametrize("page", [path for path in files() if path.suffix == ".md"], ids=name_of)
def test_each_link_leads_to_a_file(page: Path) -> None:
    links = LINK.findall(page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def _documented(page: str, pattern: re.Pattern[str]) -> set[str]:
    """What the page names as code, whole: `GET /health`."""
    spans = re.findall(r"`([^`\n]+)`", (REFERENCE / page).read_text("utf-8"))
    return {span for span in spans if pattern.fullmatch(span)}


def _variables_read() -> set[str]:
    return {
        node.value
        for source in sources()
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value)
    }


def _settings(section: type[attrs.AttrsInstance], prefix: str = "") -> Iterator[str]:
    """The path of each key that holds a value: `gateway.auth.token`."""
    for field in attrs.fields(attrs.resolve_types(section)):
        head, *tail = field.name.split("_")
        path = prefix + head + "".join(word.title() for word in tail)
        if attrs.has(field.type):
            yield from _settings(field.type, f"{path}.")
        else:
            yield path


def _commands(app: App, name: str) -> Iterator[tuple[str, list[str]]]:
    arguments = app.assemble_argument_collection() if app.default_command else ()
    options = [option for argument in arguments for option in argument.names if option.startswith("--")]
    # `--no-json` is what cyclopts makes of `--json`.
    yield (
        name,
        [option for option in options if option.replace("--no-", "--", 1) not in options or "--no-" not in option],
    )
    for word in app:
        if not word.startswith("-"):
            yield from _commands(app[word], f"{name} {word}")
