"""The XML and the batch file of a scheduled task."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest
from attrs import evolve

from tests.fakes.definitions import AWKWARD, a_definition
from xopc.service.managers.base import Definition, ServiceManagerError
from xopc.service.managers.task_files import parse_batch, parse_task, render_batch, render_task

etree: Any = import_module("lxml.etree")
"""libxml2, which validates, and shares nothing with the parser of the standard library."""

XSD = Path(__file__).parent / "schemas" / "task.xsd"
NAMES = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}
USER = "DESK & CO\\amy"
BATCH = Path("C:\\Users\\amy & bob\\.xopc\\service\\xopc-gateway.cmd")


@pytest.fixture
def definition(home: Path) -> Definition:
    return a_definition(home, "schtasks")


def parsed(definition: Definition) -> Any:  # noqa: ANN401  lxml has no types
    """The task, read and validated by libxml2."""
    root = etree.fromstring(render_task(definition, BATCH, USER))
    schema = etree.XMLSchema(etree.parse(str(XSD)))
    assert schema.validate(root), schema.error_log
    return root


def text(root: Any, path: str) -> str:  # noqa: ANN401  lxml has no types
    [element] = root.findall(path, NAMES)
    return element.text


def test_row_063_the_task_is_repeated_every_minute(definition: Definition) -> None:
    root = parsed(definition)
    assert text(root, "t:Triggers/t:LogonTrigger/t:Repetition/t:Interval") == "PT1M"
    assert text(root, "t:Triggers/t:TimeTrigger/t:Repetition/t:Interval") == "PT1M"
    assert root.findall(".//t:Duration", NAMES) == [], "for ever"


def test_row_069_it_starts_when_its_user_logs_in(definition: Definition) -> None:
    assert text(parsed(definition), "t:Triggers/t:LogonTrigger/t:UserId") == USER


def test_row_086_what_has_ended_is_started_again_and_what_runs_is_left_alone(definition: Definition) -> None:
    root = parsed(definition)
    assert text(root, "t:Settings/t:MultipleInstancesPolicy") == "IgnoreNew"
    assert text(root, "t:Settings/t:ExecutionTimeLimit") == "PT0S"
    assert text(root, "t:Settings/t:StartWhenAvailable") == "true"
    assert text(root, "t:Settings/t:RestartOnFailure/t:Interval") == "PT1M"
    assert text(root, "t:Settings/t:RestartOnFailure/t:Count") == "3"
    assert text(root, "t:Settings/t:StopIfGoingOnBatteries") == "false"


def test_it_runs_as_its_user_without_more_rights(definition: Definition) -> None:
    root = parsed(definition)
    assert text(root, "t:Principals/t:Principal/t:UserId") == USER
    assert text(root, "t:Principals/t:Principal/t:LogonType") == "InteractiveToken"
    assert text(root, "t:Principals/t:Principal/t:RunLevel") == "LeastPrivilege"


def test_it_runs_the_batch_file_in_the_directory_of_the_configuration(definition: Definition) -> None:
    root = parsed(definition)
    assert text(root, "t:Actions/t:Exec/t:Command") == "%SystemRoot%\\System32\\cmd.exe"
    assert text(root, "t:Actions/t:Exec/t:Arguments") == f'/d /s /c ""{BATCH}""'
    assert text(root, "t:Actions/t:Exec/t:WorkingDirectory") == str(definition.working_directory)


def test_whatever_is_written_in_it_is_valid(definition: Definition) -> None:
    root = parsed(evolve(definition, description=AWKWARD, working_directory=Path(AWKWARD.replace("%", ""))))
    assert text(root, "t:RegistrationInfo/t:Description") == AWKWARD


def test_a_task_whose_elements_stand_in_another_order_is_not_valid(definition: Definition) -> None:
    root = parsed(definition)
    trigger = root.find("t:Triggers/t:TimeTrigger", NAMES)
    trigger.append(trigger[0])
    assert not etree.XMLSchema(etree.parse(str(XSD))).validate(root)


def test_schtasks_gets_utf_16_with_its_mark(definition: Definition) -> None:
    raw = render_task(definition, BATCH, USER)
    assert raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    assert raw.decode("utf-16").startswith('<?xml version="1.0" encoding="UTF-16"?>')


def test_a_path_that_task_scheduler_would_change_is_refused(definition: Definition) -> None:
    with pytest.raises(ServiceManagerError, match=r"takes % in .*50% off.* for the beginning of a variable"):
        render_task(definition, Path("C:\\50% off\\x.cmd"), USER)
    with pytest.raises(ServiceManagerError, match="have the state directory elsewhere"):
        render_task(evolve(definition, working_directory=Path("C:\\%A%")), BATCH, USER)


# ---------------------------------------------------------- the batch file


def test_the_batch_file_of_a_gateway() -> None:
    windows = Definition(
        label="xopc-gateway",
        description="xopc Gateway (v1.2.3)",
        arguments=("C:\\Program Files\\xopc\\xopc.exe", "gateway", "--foreground", "--port", "8080"),
        working_directory=PureWindowsPath("C:\\Users\\amy\\.xopc"),  # pyright: ignore[reportArgumentType]  its text counts
        environment={"XOPC_SERVICE_MARKER": "schtasks", "PATH": "C:\\100% mine;%PATH%"},
        secrets={},
        secrets_path=PureWindowsPath("C:\\x.env"),  # pyright: ignore[reportArgumentType]  its text counts
        log_dir=PureWindowsPath("C:\\Users\\amy\\.xopc\\logs"),  # pyright: ignore[reportArgumentType]  its text counts
    )
    assert render_batch(windows).split("\r\n") == [
        "@echo off",
        "rem Written by: xopc gateway service install --force, which replaces it.",
        "setlocal EnableExtensions DisableDelayedExpansion",
        "rem This file is UTF-8.",
        "chcp 65001 >nul",
        "rem The task starts it once a minute, also when it was told to stop.",
        'reg query "HKCU\\Volatile Environment" /v "xopc-gateway-stopped" >nul 2>nul',
        "if not errorlevel 1 exit /b 0",
        'cd /d "C:\\Users\\amy\\.xopc"',
        "if errorlevel 1 exit /b 1",
        'set "PATH=C:\\100%% mine;%%PATH%%"',
        'set "XOPC_SERVICE_MARKER=schtasks"',
        '>>"C:\\Users\\amy\\.xopc\\logs\\gateway.log" 2>&1 "C:\\Program Files\\xopc\\xopc.exe" '
        "gateway --foreground --port 8080",
        "exit /b %ERRORLEVEL%",
        "",
    ]


def test_row_065_the_port_stands_in_its_arguments(definition: Definition) -> None:
    assert "--port 8080" in render_batch(definition)


def test_what_is_read_is_what_was_written(definition: Definition) -> None:
    awkward = evolve(
        definition,
        arguments=("/opt/x y/xopc", "gateway", AWKWARD, ""),
        environment={"A": AWKWARD, "B": ""},
        working_directory=Path("/a b/100%"),
    )
    found = parse_batch(render_batch(awkward))
    assert found.arguments == awkward.arguments
    assert found.environment == awkward.environment
    assert found.working_directory == awkward.working_directory


def test_a_batch_file_of_somebody_else_runs_nothing_of_ours() -> None:
    found = parse_batch("@echo off\r\nnotepad\r\n")
    assert (found.arguments, found.working_directory, found.environment) == ((), None, {})


def test_nothing_secret_stands_in_either_file(definition: Definition) -> None:
    assert "a-secret-token" not in render_batch(definition)
    assert "a-secret-token" not in render_task(definition, BATCH, USER).decode("utf-16")


def test_a_line_break_is_refused_by_name(definition: Definition) -> None:
    with pytest.raises(ServiceManagerError, match="the variable A holds a line break"):
        render_batch(evolve(definition, environment={"A": "b\r\nshutdown /s"}))


# ------------------------------------------------------- what Windows prints


def test_a_task_is_read_back(definition: Definition) -> None:
    xml = render_task(definition, BATCH, USER).decode("utf-16")
    task = parse_task(xml)
    assert task is not None
    assert (task.batch, task.is_enabled) == (BATCH, True)
    assert task.settings["LogonTrigger.Repetition.Interval"] == "PT1M"
    assert task.settings["RestartOnFailure.Count"] == "3"
    disabled = parse_task(xml.replace("<Enabled>true", "<Enabled>false"))
    assert disabled is not None
    assert not disabled.is_enabled


def test_a_task_of_somebody_else_runs_no_batch_file_of_ours() -> None:
    task = parse_task(
        '<?xml version="1.0" encoding="UTF-16"?>\r\n<Task xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">'
        "<Actions><Exec><Command>notepad.exe</Command></Exec></Actions></Task>"
    )
    assert task is not None
    assert task.batch is None


@pytest.mark.parametrize("printed", ["", "no XML", "<Task><a></Task>"])
def test_what_is_no_task_is_none(printed: str) -> None:
    assert parse_task(printed) is None
