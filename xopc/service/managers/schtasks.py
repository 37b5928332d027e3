"""Task Scheduler: a task of a user who is logged in at a Windows.

Windows restarts no program that ends, so the task is started once a minute, and Windows leaves out a start while one
runs. That would undo a stop, too; so a stop leaves a mark, which the batch file looks for and Windows forgets when the
user logs out. What `schtasks` prints is in the user's language: of it numbers, columns and XML are read, never words.
"""

from __future__ import annotations

import csv
import getpass
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from xopc.config.paths import resolve_paths
from xopc.config.regular import read_regular
from xopc.config.write import write_private
from xopc.service.managers.base import Definition, Installed, Runtime, RuntimeStatus, ServiceManagerError, label_of
from xopc.service.managers.secrets_file import write_secrets
from xopc.service.managers.secrets_of import remove_secrets, secrets_of
from xopc.service.managers.task_files import (
    STOPPED_KEY,
    Task,
    parse_batch,
    parse_task,
    render_batch,
    render_task,
    stopped_name,
)
from xopc.service.managers.tools import LOOK_SECONDS, Ran, run_tool
from xopc.service.poll import attempts

MARKER = "schtasks"
ENCODING = "oem" if sys.platform == "win32" else "utf-8"
"""Of what a program writes to a console, whatever its XML says of itself."""
END_SECONDS = 10.0
PAUSE_SECONDS = 0.5
RESULT_COLUMN = 6
"""Of `/Query /V /FO CSV`: "Last Result"."""
RUNNING, NEVER_RUN, TERMINATED = 0x41301, 0x41303, 0x41306
_STATES = {RUNNING: "running", NEVER_RUN: "never run", TERMINATED: "was ended"}


@frozen
class Schtasks:
    """The task of one profile."""

    label: str
    directory: Path
    """The directory of its files, in the state directory."""
    environ: Mapping[str, str]
    """For the tools, and to know whose task it is."""
    marker: str = MARKER

    @property
    def platform(self) -> str:
        return "Windows (Task Scheduler)"

    @property
    def source_path(self) -> Path:
        return self.directory / f"{self.label}.xml"

    @property
    def batch_path(self) -> Path:
        """What the task runs."""
        return self.directory / f"{self.label}.cmd"

    @property
    def user(self) -> str:
        """Whose it is, as Windows writes it: `DESK\\amy`."""
        domain, name = self.environ.get("USERDOMAIN"), self.environ.get("USERNAME")
        return f"{domain}\\{name}" if domain and name else name or getpass.getuser()

    def is_available(self) -> bool:
        with suppress(ServiceManagerError):
            return self._query("/?").code == 0
        return False

    def is_loaded(self) -> bool:
        task = self._task()
        return task is not None and task.is_enabled

    def loaded_text(self) -> str:
        task = self._task()
        how = "not installed" if task is None else "installed" if task.is_enabled else "disabled"
        return f"Scheduled Task ({how})"

    def runtime(self) -> Runtime:
        try:
            shown = self._query("/TN", self.label, "/V", "/FO", "CSV", "/NH")
        except ServiceManagerError as error:
            return Runtime(RuntimeStatus.UNKNOWN, state=str(error))
        if shown.code != 0:
            return Runtime(RuntimeStatus.STOPPED, state="not installed")
        return parse_runtime(shown.output)

    def read(self) -> Installed | None:
        task = self._task()
        if task is None:
            return None
        try:
            text = read_regular(task.batch or self.batch_path).decode()
        except (OSError, ValueError):
            text = ""
        batch = parse_batch(text)
        return Installed(
            source_path=task.batch or self.source_path,
            arguments=batch.arguments,
            working_directory=batch.working_directory,
            environment=batch.environment,
            secrets=secrets_of(batch.environment),
            settings=task.settings,
            text=text,
        )

    def install(self, definition: Definition, *, keep_off: bool = False) -> list[str]:
        task = self._task() if keep_off else None
        files = {
            self.batch_path: render_batch(definition).encode(),
            self.source_path: render_task(
                definition, self.batch_path, self.user, is_enabled=task is None or task.is_enabled
            ),
        }
        before = {path: read_regular(path) if path.exists() else None for path in files}
        definition.log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secrets(definition.secrets_path, definition.secrets)
        try:
            for path, content in files.items():
                write_private(path, content)
            self._schtasks("/Create", "/TN", self.label, "/XML", str(self.source_path), "/F").check()
        except BaseException:
            # Half an installation would be neither the old one nor the new one.
            with suppress(OSError):
                for path, content in before.items():
                    if content is None:
                        path.unlink(missing_ok=True)
                        definition.secrets_path.unlink(missing_ok=True)
                    else:
                        write_private(path, content)
            raise
        if task is None:
            self._forget_stop()
        return []

    def start(self) -> None:
        self._schtasks("/Change", "/TN", self.label, "/ENABLE").check()
        self._forget_stop()
        self._schtasks("/Run", "/TN", self.label).check()

    def stop(self) -> None:
        if self._task() is not None:
            name = stopped_name(self.label)
            run_tool("reg", "add", STOPPED_KEY, "/v", name, "/d", "1", "/f", environ=self.environ).check()
            self._end()

    def disable(self) -> None:
        if self._task() is not None:
            # In this order: otherwise it may be started in between.
            self._schtasks("/Change", "/TN", self.label, "/DISABLE").check()
            self._end()

    def restart(self) -> None:
        self._end()
        # While one runs, another start is left out without a word.
        for _ in attempts(END_SECONDS, first=PAUSE_SECONDS, longest=PAUSE_SECONDS):
            if self.runtime().status is not RuntimeStatus.RUNNING:
                break
        self.start()

    def uninstall(self) -> None:
        installed = self.read()
        if installed is not None:
            self._end()
            self._schtasks("/Delete", "/TN", self.label, "/F").check()
        for path in (self.batch_path, self.source_path):
            path.unlink(missing_ok=True)
        if installed is not None:
            remove_secrets(installed.environment)
        self._forget_stop()

    # ------------------------------------------------------------------ tools

    def _schtasks(self, *words: str) -> Ran:
        return run_tool("schtasks", *words, environ=self.environ, encoding=ENCODING)

    def _query(self, *words: str) -> Ran:
        return run_tool("schtasks", "/Query", *words, environ=self.environ, encoding=ENCODING, seconds=LOOK_SECONDS)

    def _task(self) -> Task | None:
        with suppress(ServiceManagerError):
            shown = self._query("/TN", self.label, "/XML")
            return parse_task(shown.output) if shown.code == 0 else None
        return None

    def _end(self) -> None:
        """End what runs.

        Raises:
            ServiceManagerError: something still does.
        """
        ended = self._schtasks("/End", "/TN", self.label)
        # Of a task that does not run it is a failure, or not, as the version of Windows has it.
        if ended.code != 0 and self.runtime().status is RuntimeStatus.RUNNING:
            ended.check()

    def _forget_stop(self) -> None:
        # That there is no such value is a failure, too.
        with suppress(ServiceManagerError):
            run_tool("reg", "delete", STOPPED_KEY, "/v", stopped_name(self.label), "/f", environ=self.environ)


def of_profile(environ: Mapping[str, str], profile: str) -> Schtasks:
    """The task of a profile."""
    return Schtasks(label_of(MARKER, profile), resolve_paths(environ).state_dir / "service", environ)


def parse_runtime(table: str) -> Runtime:
    """What the table of `schtasks` says: a row for each trigger, all of the same run."""
    results = [row[RESULT_COLUMN] for row in csv.reader(table.splitlines()) if len(row) > RESULT_COLUMN]
    try:
        # Some versions write a number of 32 bits with its sign.
        result = int(results[0]) & 0xFFFFFFFF
    except (IndexError, ValueError):
        return Runtime(RuntimeStatus.UNKNOWN, state="schtasks printed no such table as is known")
    return Runtime(
        status=RuntimeStatus.RUNNING if result == RUNNING else RuntimeStatus.STOPPED,
        last_exit_status=None if result in _STATES else result,
        state=_STATES.get(result, ""),
    )
