"""What the reference documents is what there is: no more, no less."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import attrs
import pytest
from cyclopts import App

from tests.checks.repository import ROOT, files, name_of, sources
from xopc.cli.doctor.check import Fault
from xopc.cli.doctor.mend import is_fixable
from xopc.cli.main import build_app
from xopc.config.audit import CheckId, Severity
from xopc.contracts.broadcasts import BROADCASTS
from xopc.contracts.convert import keys_of
from xopc.contracts.errors import Failure
from xopc.contracts.events import CLOSED, AgentEvent
from xopc.contracts.settings.file import Settings
from xopc.core import hub
from xopc.core.hub import RESYNC, SHUTDOWN
from xopc.gateway import problems, reload
from xopc.server.api import ROUTES
from xopc.service.audit.drift import RULES
from xopc.service.audit.finding import AGGRESSIVE

REFERENCE = ROOT / "docs" / "reference"

SETTING = re.compile(r"[a-z][A-Za-z]*(?:\[\]|\.<id>|\.[a-z][A-Za-z0-9]*)*")
VARIABLE = re.compile(r"XOPC_[A-Z][A-Z_]*[A-Z]")
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)(?:#[^)]*)?\)")


def test_each_environment_variable_that_is_read_is_documented() -> None:
    assert _variables_read() - _documented("environment.md", VARIABLE) == set()


def test_each_documented_environment_variable_is_read() -> None:
    assert _documented("environment.md", VARIABLE) - _variables_read() == set()


def test_each_setting_is_documented() -> None:
    assert set(_settings(Settings, "")) - _documented("configuration.md", SETTING) == set()


def test_each_documented_setting_exists() -> None:
    sections = {field.name for field in attrs.fields(Settings)}
    documented = {key for key in _first_cells("configuration.md", SETTING) if re.split(r"\W", key)[0] in sections}
    known = set(_settings(Settings, ""))
    # Of a table about whole sections, a key is the section's.
    assert [key for key in documented - known if not any(setting.startswith(f"{key}.") for setting in known)] == []


def test_each_route_is_documented() -> None:
    documented = _documented("api.md", re.compile(r"[A-Z]+ /\S*"))
    assert {f"{route.method} {route.path}" for route in ROUTES} - documented == set()


def test_each_documented_route_exists() -> None:
    documented = _documented("api.md", re.compile(r"(?:GET|HEAD|POST|PUT|PATCH|DELETE) /\S*"))
    assert documented - {f"{route.method} {route.path}" for route in ROUTES} == set()


def test_each_error_is_documented_with_its_status_and_no_other_is() -> None:
    rows = re.findall(r"(?m)^\| `([A-Z_]+)` \| (\d{3}) \|", _page("api.md"))
    assert {(code, int(status)) for code, status in rows} == {(failure.code, failure.http) for failure in Failure}


def test_each_check_of_the_audit_is_documented_with_its_severity_and_no_other_is() -> None:
    rows = re.findall(r"(?m)^\| `((?:gateway|session)\.[a-z_.]+)` \| .* \| ([a-z ,]+) \|$", _page("security.md"))
    assert {check for check, _ in rows} == {check.value for check in CheckId}
    severities = {severity.value for severity in Severity}
    assert [check for check, said in rows if re.split(r"\W", said)[0] not in severities] == []


def test_each_fault_of_the_doctor_is_documented_and_no_other_is() -> None:
    of_doctor = set(_codes_in("xopc/cli/doctor", {"Fault", "_critical"}))
    of_service = {f"service.{code}" for code in _codes_in("xopc/service", {"Finding", "Rule"})}
    deep = set(_codes_in("xopc/cli/gateway", {"Finding"}))
    documented = dict(re.findall(r"(?m)^\| `([a-z.-]+)` (🔧 )?\|", _page("doctor.md")))
    assert set(documented) == of_doctor | of_service | deep
    fixable = {code for code in documented if is_fixable(Fault(code, Severity.WARN, "", "", "", ""))}
    on_purpose = {f"service.{rule.code}" for rules in RULES.values() for rule in rules if rule.level == AGGRESSIVE}
    assert {code for code, mark in documented.items() if mark} == fixable - on_purpose


def test_each_problem_is_documented_and_no_other_is() -> None:
    codes = {value for name, value in vars(problems).items() if name.isupper() and isinstance(value, str)}
    table = _page("api.md").split("| Problem | Means |")[1].split("\n\n")[0]
    assert set(re.findall(r"(?m)^\| `([a-z-]+)` \|", table)) == codes


def test_each_event_is_documented_and_no_other_is() -> None:
    of_a_run, of_all, of_the_log = (
        set(re.findall(r"`([a-z_.-]+)`", " ".join(re.findall(r"(?m)^\| (`[^|]*) \|", table.split("\n\n")[0]))))
        for table in re.split(r"\| `event` \| `data`[^\n]*\n", _page("api.md"))[1:]
    )
    assert of_a_run == {*_types_of_a_run(), "result"}
    assert of_all == {*BROADCASTS, RESYNC, SHUTDOWN, CLOSED, "connected", "ping"}
    assert of_the_log == {"log", RESYNC, SHUTDOWN, "connected", "ping"}


def test_each_event_that_is_published_is_declared_and_each_that_is_declared_is_published() -> None:
    assert _published() == set(BROADCASTS)


def test_the_reference_names_each_key_of_an_event() -> None:
    rows = dict(re.findall(r"(?m)^\| (`[a-z-]+\.[a-z]+`(?:, `[a-z-]+\.[a-z]+`)*) \| (.*) \|$", _page("api.md")))
    told = {kind: text for kinds, text in rows.items() for kind in re.findall(r"`([^`]+)`", kinds)}
    missing = [
        f"{kind}: {key}"
        for kind, payload in BROADCASTS.items()
        for key, *_ in map(keys_of, attrs.fields(payload))
        if not re.search(rf"\b{key}\b", told.get(kind, ""))
    ]
    assert missing == []


def test_each_command_has_a_section_that_names_each_of_its_options() -> None:
    text = _page("cli.md")
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


def test_the_index_leads_to_each_page() -> None:
    index = ROOT / "docs" / "README.md"
    led_to = {(index.parent / link).resolve() for link in LINK.findall(index.read_text("utf-8"))}
    pages = {path.resolve() for path in files() if path.suffix == ".md" and index.parent in path.parents}
    assert sorted(map(str, pages - led_to)) == [str(index)]


def _codes_in(folder: str, functions: set[str]) -> Iterator[str]:
    """The first arguments of the calls of these functions in a folder, where they are literal."""
    for source in sources():
        if not name_of(source).startswith(f"{folder}/"):
            continue
        calls = (node for node in ast.walk(ast.parse(source.read_text("utf-8"))) if isinstance(node, ast.Call))
        for call in calls:
            is_one = isinstance(call.func, ast.Name) and call.func.id in functions
            if is_one and isinstance(call.args[0], ast.Constant):
                yield str(call.args[0].value)


def _page(name: str) -> str:
    return (REFERENCE / name).read_text("utf-8")


def _types_of_a_run() -> set[str]:
    """The types of the events in a run's stream."""
    return {str(attrs.fields_dict(kind)["type"].default) for kind in get_args(AgentEvent)}


def _published() -> set[str]:
    """The types of all that is published through the hub."""
    constants = {**vars(hub), **vars(reload)}
    calls = (
        node.args[0]
        for source in sources()
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr == "publish" and ast.unparse(node.func.value).endswith("hub")
    )
    return {str(node.value if isinstance(node, ast.Constant) else constants[ast.unparse(node)]) for node in calls}


def _documented(page: str, pattern: re.Pattern[str]) -> set[str]:
    """What the page names as code, whole: `GET /health`."""
    spans = re.findall(r"`([^`\n]+)`", _page(page))
    return {span for span in spans if pattern.fullmatch(span)}


def _variables_read() -> set[str]:
    return {
        node.value
        for source in sources()
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value)
    }


def _first_cells(page: str, pattern: re.Pattern[str]) -> set[str]:
    """What the page names as code in the first column of its tables."""
    rows = re.findall(r"(?m)^\| (`[^|]*`) \|", _page(page))
    return {span for row in rows for span in re.findall(r"`([^`]+)`", row) if pattern.fullmatch(span)}


def _settings(section: type[attrs.AttrsInstance], prefix: str) -> Iterator[str]:
    """The path of each key that holds a value: `gateway.auth.token`, `agents.list[].id`, `groups.<id>.enabled`."""
    for field in attrs.fields(attrs.resolve_types(section)):
        path = prefix + keys_of(field)[0]
        if not attrs.has(field.type):
            yield path
        for kind, step in _sections(field.type):
            yield from _settings(kind, f"{path}{step}.")


def _sections(kind: Any) -> Iterator[tuple[type[attrs.AttrsInstance], str]]:  # noqa: ANN401  whatever annotates a field
    """The classes that hold the keys of a value, and what stands between its path and theirs."""
    if attrs.has(kind):
        yield kind, ""
    step = "[]" if get_origin(kind) is tuple else ".<id>" if get_origin(kind) is dict else ""
    for inner in get_args(kind):
        yield from ((section, step + deeper) for section, deeper in _sections(inner))


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
