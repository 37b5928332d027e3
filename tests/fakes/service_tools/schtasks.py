"""`schtasks`, of Windows 11, for the tasks of one user who is logged in. Its words are of the test's language."""

from __future__ import annotations

import csv
import os
import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.fakes.service_tools.processes import start as start_process, stop as stop_process
from tests.fakes.service_tools.state import Json, State, end, home, pid_of

NAMESPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
RUNNING, NEVER_RUN, TERMINATED = 0x41301, 0x41303, 0x41306
WORDS = {
    "en": {
        "Ready": "Ready",
        "Running": "Running",
        "Disabled": "Disabled",
        "Enabled": "Enabled",
        "error": "ERROR: The system cannot find the file specified.",
        "done": "SUCCESS: ",
    },
    "de": {
        "Ready": "Bereit",
        "Running": "Wird ausgeführt",
        "Disabled": "Deaktiviert",
        "Enabled": "Aktiviert",
        "error": "FEHLER: Das System kann die angegebene Datei nicht finden.",
        "done": "ERFOLGREICH: ",
    },
}


def main(state: State, argv: list[str]) -> int:
    switches = [word.upper() for word in argv if word.startswith("/")]
    call = Call(state, argv)
    if "/?" in switches:
        print("SCHTASKS /Query [/S system] [/FO format] [/NH] [/V] [/TN taskname] [/XML [xml_type]]")
        return 0
    verbs = {
        "/CREATE": call.create,
        "/QUERY": call.query,
        "/RUN": call.run,
        "/END": call.end_task,
        "/CHANGE": call.change,
        "/DELETE": call.delete,
    }
    return verbs[switches[0]](switches)


class Call:
    """One call of the tool."""

    def __init__(self, state: State, argv: list[str]) -> None:
        self._state, self._argv = state, argv
        self._words = WORDS[state.settings.get("language", "en")]

    def create(self, switches: list[str]) -> int:
        name = self._value("/TN")
        task = self._state.service(f"task:{name}")
        if task.get("xml") and "/F" not in switches:
            end(1, "ERROR: The task already exists.")  # the real one asks, and nobody answers
        try:
            raw = Path(self._value("/XML")).read_bytes()
            enabled = ET.fromstring(raw).find(f"{NAMESPACE}Settings/{NAMESPACE}Enabled")  # noqa: S314 - a test's own file
        except (OSError, ET.ParseError) as error:
            end(1, f"ERROR: The task XML is malformed.\n(1,40)::{error}")
        task.update(xml=raw.decode("utf-16"), disabled=enabled is not None and enabled.text == "false")
        task.setdefault("result", NEVER_RUN)
        print(f'{self._words["done"]}The scheduled task "{name}" has successfully been created.')
        return 0

    def query(self, switches: list[str]) -> int:
        task = self._found()
        if "/XML" in switches:
            # The state of a task stands among its settings.
            state = f"<Enabled>{'false' if task['disabled'] else 'true'}</Enabled>"
            print(re.sub("<Enabled>(true|false)</Enabled>", state, task["xml"]), end="\r\n")
            return 0
        rows = csv.writer(sys.stdout, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        running, disabled = pid_of(task) is not None, task["disabled"]
        status = self._words["Running" if running else "Disabled" if disabled else "Ready"]
        if "/V" not in switches:
            rows.writerow([self._name, "N/A", status])
            return 0
        result = RUNNING if running else task.get("result", NEVER_RUN)
        enabled = self._words["Disabled" if disabled else "Enabled"]
        triggers = ET.fromstring(task["xml"].partition("?>")[2]).find(f"{NAMESPACE}Triggers")  # noqa: S314 - the same
        for _ in triggers if triggers is not None else [None]:
            ahead = ["HOST", self._name, "N/A", status, "Interactive only", "26/11/2026 12:00:00", result, "xopc"]
            rows.writerow([*ahead, _command(task), "N/A", "N/A", enabled, *["N/A"] * 16])
        return 0

    def run(self, _: list[str]) -> int:
        task = self._found()
        if task["disabled"]:
            end(1, "ERROR: The operation completed successfully.")  # what it says of a task that is disabled
        if pid_of(task) is None:
            command = self._state.settings.get("task_command") or [_command(task)]
            start_process(self._state, task, command, {"HOME": str(home()), **os.environ}, None)
        print(f'{self._words["done"]}Attempted to run the scheduled task "{self._name}".')
        return 0

    def end_task(self, _: list[str]) -> int:
        task = self._found()
        if pid_of(task) is not None:
            stop_process(task, 9)
            task["result"] = TERMINATED
        print(f'{self._words["done"]}The scheduled task "{self._name}" has been terminated successfully.')
        return 0

    def change(self, switches: list[str]) -> int:
        self._found()["disabled"] = "/DISABLE" in switches
        print(f'{self._words["done"]}The parameters of scheduled task "{self._name}" have been changed.')
        return 0

    def delete(self, switches: list[str]) -> int:
        self._found()
        if "/F" not in switches:
            end(1, "WARNING: Are you sure you want to remove the task (Y/N)?")
        del self._state.services[f"task:{self._value('/TN')}"]
        return 0

    # --------------------------------------------------------------- a task

    @property
    def _name(self) -> str:
        return "\\" + self._value("/TN")

    def _value(self, switch: str) -> str:
        for index, word in enumerate(self._argv):
            if word.upper() == switch:
                return self._argv[index + 1]
        return end(1, f"ERROR: Invalid syntax. Mandatory option '{switch.removeprefix('/')}' is missing.")

    def _found(self) -> Json:
        task = self._state.services.get(f"task:{self._value('/TN')}")
        if not task or not task.get("xml"):
            end(1, self._words["error"])
        return task


def _command(task: Json) -> str:
    found = ET.fromstring(task["xml"].partition("?>")[2]).find(f".//{NAMESPACE}Command")  # noqa: S314 - the same
    return (found.text if found is not None else "") or ""
