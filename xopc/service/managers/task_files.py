"""The two files of a scheduled task: its XML, and the batch file that it runs, for a task has no environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from attrs import frozen

from xopc.service.managers.base import Definition, ServiceManagerError
from xopc.service.managers.batch import assigned, assignment, command, command_words, enter, entered
from xopc.service.managers.one_line import check_texts, one_line
from xopc.service.managers.template import read_template

TEMPLATE = "xopc-gateway-task.xml"
NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
STOPPED_KEY = r"HKCU\Volatile Environment"
"""Windows forgets its values when the user logs out."""
_RUN_BATCH = re.compile(r'/c ""(.*)""')


@frozen
class Batch:
    """What a batch file runs."""

    arguments: tuple[str, ...]
    working_directory: Path | None
    environment: Mapping[str, str]


def stopped_name(label: str) -> str:
    """The value that keeps a task from starting the gateway, until its user logs in again."""
    return f"{label}-stopped"


def render_batch(definition: Definition) -> str:
    """The batch file.

    Raises:
        ServiceManagerError: something in it cannot stand there.
    """
    check_texts(definition)
    lines = [
        "@echo off",
        "rem Written by: xopc gateway service install --force, which replaces it.",
        # Otherwise a setting of the machine could give `!` a meaning.
        "setlocal EnableExtensions DisableDelayedExpansion",
        "rem This file is UTF-8.",
        "chcp 65001 >nul",
        "rem The task starts it once a minute, also when it was told to stop.",
        f'reg query "{STOPPED_KEY}" /v "{stopped_name(definition.label)}" >nul 2>nul',
        "if not errorlevel 1 exit /b 0",
        enter(str(definition.working_directory)),
        "if errorlevel 1 exit /b 1",
        *(assignment(*pair) for pair in sorted(definition.environment.items())),
        command(definition.arguments, str(definition.log_dir / "gateway.log")),
        "exit /b %ERRORLEVEL%",
    ]
    return "".join(f"{line}\r\n" for line in lines)


def parse_batch(text: str) -> Batch:
    """What a batch file runs that `render_batch` has written, or a person has changed a little."""
    lines = re.split(r"\r?\n", text)
    directories = [directory for line in lines if (directory := entered(line)) is not None]
    commands = [words for line in lines if (words := command_words(line)) is not None]
    return Batch(
        arguments=commands[-1] if commands else (),
        working_directory=Path(directories[-1]) if directories else None,
        environment=dict(pair for line in lines if (pair := assigned(line)) is not None),
    )


def render_task(definition: Definition, batch: Path, user: str, *, is_enabled: bool = True) -> bytes:
    """The XML that `schtasks` registers, in the UTF-16 that it wants.

    Raises:
        ServiceManagerError: something in it cannot stand there.
    """
    check_texts(definition)
    for path in (batch, definition.working_directory):
        if "%" in str(path):
            what = f"Task Scheduler takes % in {path} for the beginning of a variable, and knows no other sign for it"
            raise ServiceManagerError(f"{what}: have the state directory elsewhere (XOPC_STATE_DIR)")
    task = ET.fromstring(read_template(TEMPLATE))  # noqa: S314 - this program's own file
    values = {
        "RegistrationInfo/Description": definition.description,
        "Triggers/LogonTrigger/UserId": one_line(user, "the name of the user"),
        "Principals/Principal/UserId": user,
        # cmd.exe takes the outer quotes away, and what they held as it is.
        "Actions/Exec/Arguments": f'/d /s /c ""{batch}""',
        "Actions/Exec/WorkingDirectory": str(definition.working_directory),
        "Settings/Enabled": "true" if is_enabled else "false",
    }
    for path, value in values.items():
        element = task.find(path, {"": NAMESPACE})
        if element is None:
            raise ServiceManagerError(f"the template {TEMPLATE} has no {path}: install xopc anew")
        element.text = value
    ET.register_namespace("", NAMESPACE)
    text = ET.tostring(task, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-16"?>\r\n{text}'.encode("utf-16")


@frozen
class Task:
    """A task as Task Scheduler has it."""

    batch: Path | None
    """What it runs; None where that is no batch file of ours."""
    is_enabled: bool
    settings: Mapping[str, str]
    """`LogonTrigger.Repetition.Interval` is `PT1M`."""


def parse_task(xml: str) -> Task | None:
    """The task in what `schtasks /Query /XML` printed; None where that is none."""
    # Whatever encoding it names: it has been decoded already.
    body = xml[xml.find("<Task") :]
    try:
        root = ET.fromstring(body)  # noqa: S314 - from Windows itself
    except ET.ParseError:
        return None
    arguments = root.findtext("Actions/Exec/Arguments", "", {"": NAMESPACE})
    found = _RUN_BATCH.search(arguments)
    settings = dict(pair for part in ("Triggers", "Settings") for pair in _leaves(root.find(part, {"": NAMESPACE}), ""))
    return Task(Path(found[1]) if found else None, settings.get("Enabled", "true").lower() != "false", settings)


def _leaves(element: ET.Element | None, prefix: str) -> Iterator[tuple[str, str]]:
    for child in element if element is not None else ():
        name = prefix + child.tag.rpartition("}")[2]
        if len(child):
            yield from _leaves(child, f"{name}.")
        else:
            yield name, (child.text or "").strip()
