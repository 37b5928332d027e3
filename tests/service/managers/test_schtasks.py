"""The scheduled task, against a `schtasks` that records its calls and speaks German where that must not matter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.definitions import a_definition
from tests.fakes.service_managers import FakeManagers
from xopc.service.managers import schtasks
from xopc.service.managers.base import Definition, RuntimeStatus, ServiceManagerError
from xopc.service.managers.schtasks import Schtasks, of_profile, parse_runtime
from xopc.service.managers.secrets_file import read_secrets

NAME = "xopc-gateway"
STOPPED = ["HKCU\\Volatile Environment", "/v", "xopc-gateway-stopped"]


@pytest.fixture(params=["en", "de"])
def tools(home: Path, request: pytest.FixtureRequest) -> Iterator[FakeManagers]:
    with FakeManagers(home) as managers:
        managers.set(language=request.param)
        yield managers


@pytest.fixture
def task(tools: FakeManagers) -> Schtasks:
    return of_profile({**tools.environ, "USERDOMAIN": "DESK", "USERNAME": "amy"}, "")


@pytest.fixture
def definition(home: Path) -> Definition:
    return a_definition(home, "schtasks")


@pytest.fixture
def running(task: Schtasks, tools: FakeManagers, definition: Definition) -> Schtasks:
    """Installed, and started."""
    task.install(definition)
    task.start()
    tools.forget_calls()
    return task


def calls(tools: FakeManagers) -> list[list[str]]:
    """What changes something."""
    return [argv for argv in tools.calls_of("schtasks") if argv[0] != "/Query"]


def test_row_060_install_registers_the_task_from_its_xml(
    task: Schtasks, tools: FakeManagers, definition: Definition
) -> None:
    assert task.is_available()
    assert task.loaded_text() == "Scheduled Task (not installed)"
    assert task.runtime().status is RuntimeStatus.STOPPED
    assert task.install(definition) == []
    assert calls(tools) == [["/Create", "/TN", NAME, "/XML", str(task.source_path), "/F"]]
    assert task.is_loaded()
    assert task.loaded_text() == "Scheduled Task (installed)"
    assert b"DESK\\amy" in task.source_path.read_bytes().decode("utf-16").encode()


def test_row_066_the_token_stands_in_the_file_of_secrets_and_nowhere_else(
    task: Schtasks, tools: FakeManagers, definition: Definition
) -> None:
    task.install(definition)
    assert read_secrets(definition.secrets_path) == {"XOPC_GATEWAY_TOKEN": "a-secret-token"}
    assert "a-secret-token" not in task.batch_path.read_text()
    assert "a-secret-token" not in str(tools.calls)
    assert task.batch_path.stat().st_mode & 0o777 == 0o600


def test_what_is_read_is_what_was_installed(task: Schtasks, definition: Definition) -> None:
    assert task.read() is None
    task.install(definition)
    found = task.read()
    assert found is not None
    assert found.source_path == task.batch_path
    assert found.arguments == definition.arguments
    assert found.environment == definition.environment
    assert found.working_directory == definition.working_directory
    assert found.secrets == definition.secrets
    assert found.settings["LogonTrigger.Repetition.Interval"] == "PT1M"


def test_a_task_whose_batch_file_is_gone_is_read_as_one_that_runs_nothing(
    task: Schtasks, definition: Definition
) -> None:
    task.install(definition)
    task.batch_path.unlink()
    found = task.read()
    assert found is not None
    assert found.arguments == ()


def test_nothing_is_left_of_an_installation_that_windows_refuses(
    task: Schtasks, tools: FakeManagers, definition: Definition
) -> None:
    tools.fail("schtasks", "/Create", text="FEHLER: Zugriff verweigert")
    with pytest.raises(ServiceManagerError, match="exit code 1: FEHLER: Zugriff verweigert"):
        task.install(definition)
    assert not task.source_path.exists()
    assert not task.batch_path.exists()
    assert not definition.secrets_path.exists()


def test_what_was_installed_before_is_put_back_when_windows_refuses(
    running: Schtasks, tools: FakeManagers, home: Path
) -> None:
    before = running.batch_path.read_bytes()
    tools.fail("schtasks", "/Create")
    with pytest.raises(ServiceManagerError):
        running.install(a_definition(home, "schtasks", arguments=("/opt/new/xopc", "gateway")))
    assert running.batch_path.read_bytes() == before


def test_row_075_start_runs_the_task(task: Schtasks, tools: FakeManagers, definition: Definition) -> None:
    task.install(definition)
    assert task.runtime().state == "never run"
    tools.forget_calls()
    task.start()
    assert calls(tools) == [["/Change", "/TN", NAME, "/ENABLE"], ["/Run", "/TN", NAME]]
    assert task.runtime().status is RuntimeStatus.RUNNING


def test_row_082_stop_ends_it(running: Schtasks, tools: FakeManagers) -> None:
    running.stop()
    assert calls(tools) == [["/End", "/TN", NAME]]
    assert running.runtime().status is RuntimeStatus.STOPPED
    assert running.is_loaded()


def test_a_stop_is_not_undone_by_the_next_repetition(running: Schtasks, tools: FakeManagers) -> None:
    running.stop()
    assert tools.calls_of("reg") == [["add", *STOPPED, "/d", "1", "/f"]]
    mark = 'reg query "HKCU\\Volatile Environment" /v "xopc-gateway-stopped"'
    assert mark in running.batch_path.read_text(), "which the batch file looks for"
    running.start()
    assert tools.calls_of("reg")[-1] == ["delete", *STOPPED, "/f"]


def test_a_stop_of_what_does_not_run_or_is_not_installed_is_done(running: Schtasks, tools: FakeManagers) -> None:
    running.stop()
    tools.fail("schtasks", "/End", text="there is no such instance")
    running.stop()
    running.disable()
    running.uninstall()
    running.stop()
    running.disable()


def test_an_end_that_does_not_end_it_is_told(running: Schtasks, tools: FakeManagers) -> None:
    tools.fail("schtasks", "/End", text="Access is denied")
    with pytest.raises(ServiceManagerError, match="Access is denied"):
        running.stop()


def test_row_083_a_permanent_stop_ends_it_and_disables_the_task(running: Schtasks, tools: FakeManagers) -> None:
    running.disable()
    assert calls(tools) == [["/Change", "/TN", NAME, "/DISABLE"], ["/End", "/TN", NAME]]
    assert not running.is_loaded()
    assert running.loaded_text() == "Scheduled Task (disabled)"
    assert running.read() is not None
    running.start()
    assert running.is_loaded()
    assert running.runtime().status is RuntimeStatus.RUNNING


def test_row_084_a_restart_ends_it_and_runs_it(running: Schtasks, tools: FakeManagers) -> None:
    before = tools.pid(f"task:{NAME}")
    running.restart()
    assert calls(tools) == [["/End", "/TN", NAME], ["/Change", "/TN", NAME, "/ENABLE"], ["/Run", "/TN", NAME]]
    assert tools.pid(f"task:{NAME}") not in (None, before)


def test_a_restart_waits_until_the_old_one_has_ended(
    running: Schtasks, tools: FakeManagers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schtasks, "PAUSE_SECONDS", 0.01)
    row = '"H","\\xopc-gateway","N/A","?","?","?","267009"'
    tools.fail("schtasks", "/Query", "/V", code=0, output=row, times=2)
    running.restart()
    assert len(tools.calls_of("schtasks", "/Query", "/V")) == 3


def test_what_was_put_off_stays_so_when_it_is_written_anew(running: Schtasks, definition: Definition) -> None:
    running.disable()
    running.install(definition, keep_off=True)
    assert running.loaded_text() == "Scheduled Task (disabled)"
    running.install(definition)
    assert running.is_loaded()


def test_what_was_stopped_stays_so_when_it_is_written_anew(
    running: Schtasks, tools: FakeManagers, definition: Definition
) -> None:
    running.stop()
    tools.forget_calls()
    running.install(definition, keep_off=True)
    assert running.is_loaded()
    assert tools.calls_of("reg") == [], "whether it was stopped is what the registry says"


def test_row_078_uninstall_leaves_nothing(running: Schtasks, tools: FakeManagers, home: Path) -> None:
    running.uninstall()
    assert calls(tools) == [["/End", "/TN", NAME], ["/Delete", "/TN", NAME, "/F"]]
    assert running.read() is None
    assert not (home / ".xopc" / "service").exists()
    running.uninstall()


def test_a_profile_has_a_task_and_files_of_its_own(tools: FakeManagers) -> None:
    rescue = of_profile({**tools.environ, "XOPC_PROFILE": "rescue"}, "rescue")
    assert rescue.label == "xopc-gateway-rescue"
    assert rescue.source_path.parent == Path(tools.environ["HOME"]) / ".xopc-rescue" / "service"


def test_without_a_domain_the_user_has_his_name_alone(tools: FakeManagers) -> None:
    assert of_profile({**tools.environ, "USERNAME": "amy"}, "").user == "amy"
    assert of_profile(tools.environ, "").user


def test_without_schtasks_it_is_not_available(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    task = of_profile({"HOME": str(home), "PATH": str(tmp_path_factory.mktemp("empty"))}, "")
    assert not task.is_available()
    assert not task.is_loaded()
    assert task.read() is None
    assert task.runtime().status is RuntimeStatus.UNKNOWN


@pytest.mark.parametrize(
    ("result", "status", "code", "state"),
    [
        ("267009", RuntimeStatus.RUNNING, None, "running"),
        ("267011", RuntimeStatus.STOPPED, None, "never run"),
        ("267014", RuntimeStatus.STOPPED, None, "was ended"),
        ("0", RuntimeStatus.STOPPED, 0, ""),
        ("78", RuntimeStatus.STOPPED, 78, ""),
        ("-1073741510", RuntimeStatus.STOPPED, 0xC000013A, ""),
        ("läuft", RuntimeStatus.UNKNOWN, None, "schtasks printed no such table as is known"),
    ],
)
def test_the_result_is_a_number_in_every_language(
    result: str, status: RuntimeStatus, code: int | None, state: str
) -> None:
    row = f'"H","\\xopc-gateway","N/A","Wird ausgeführt, wirklich","Nur interaktiv","01.01.2026","{result}","amy"'
    found = parse_runtime(f"{row}\r\n{row}")
    assert (found.status, found.last_exit_status, found.state) == (status, code, state)


def test_a_table_that_is_none_tells_nothing() -> None:
    assert parse_runtime("").status is RuntimeStatus.UNKNOWN


def test_a_scheduler_that_hangs_is_not_waited_for_as_long_as_one_that_ends_a_gateway(
    task: Schtasks, tools: FakeManagers, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools.fail("schtasks", "/Query", seconds=20)
    monkeypatch.setattr(schtasks, "LOOK_SECONDS", 0.1)
    assert not task.is_available()
    assert task.runtime().state.endswith("did not end within 0.1 s")
    assert task.read() is None
