"""The LaunchAgent, against a `launchctl` that records its calls."""

from __future__ import annotations

import os
import plistlib
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import until
from tests.fakes.definitions import AWKWARD, a_definition
from tests.fakes.service_managers import FakeManagers
from xopc.service.managers import launchd
from xopc.service.managers.base import RuntimeStatus, ServiceManagerError
from xopc.service.managers.launchd import Launchd, of_profile, render
from xopc.service.managers.secrets_file import read_secrets
from xopc.service.managers.tools import run_tool

etree: Any = import_module("lxml.etree")
"""libxml2, which shares nothing with plistlib."""

DTD = Path(__file__).parent / "schemas" / "plist.dtd"
DOMAIN = f"gui/{os.getuid()}"
TARGET = f"{DOMAIN}/ai.xopc.gateway"
JOB = "launchd:ai.xopc.gateway"


@pytest.fixture
def tools(home: Path) -> Iterator[FakeManagers]:
    with FakeManagers(home) as managers:
        yield managers


@pytest.fixture
def agent(tools: FakeManagers) -> Launchd:
    return of_profile(tools.environ, "")


@pytest.fixture
def installed(agent: Launchd, tools: FakeManagers, home: Path) -> Launchd:
    agent.install(a_definition(home))
    tools.forget_calls()
    return agent


def calls(tools: FakeManagers) -> list[list[str]]:
    """What changes something."""
    return [argv for argv in tools.calls_of("launchctl") if argv[0] != "print"]


def read_plist(node: Any) -> object:  # noqa: ANN401  lxml has no types
    """A value of a property list, as libxml2 has read it."""
    inner = [child for child in node if isinstance(child.tag, str)]
    match node.tag:
        case "dict":
            return {key.text: read_plist(value) for key, value in zip(inner[::2], inner[1::2], strict=True)}
        case "array":
            return [read_plist(value) for value in inner]
        case "true" | "false":
            return node.tag == "true"
        case "integer":
            return int(node.text)
        case _:
            return node.text or ""


# -------------------------------------------------------------- the plist


def test_row_061_the_agent_is_started_again_after_a_failure_and_not_within_ten_seconds(home: Path) -> None:
    job = plistlib.loads(render(a_definition(home)))
    assert job["KeepAlive"] == {"SuccessfulExit": False}
    assert job["ThrottleInterval"] == 10


def test_row_065_the_port_stands_in_its_arguments(home: Path) -> None:
    arguments = plistlib.loads(render(a_definition(home)))["ProgramArguments"]
    assert arguments[arguments.index("--port") + 1] == "8080"


def test_row_069_it_starts_at_login(home: Path) -> None:
    assert plistlib.loads(render(a_definition(home)))["RunAtLoad"] is True


def test_what_else_launchd_is_told(home: Path) -> None:
    job = plistlib.loads(render(a_definition(home)))
    assert job["Label"] == "ai.xopc.gateway"
    assert job["Umask"] == 0o077
    assert (job["ExitTimeOut"], job["ProcessType"], job["StandardInPath"]) == (20, "Interactive", "/dev/null")
    assert job["StandardOutPath"] == str(home / ".xopc" / "logs" / "gateway.log")
    assert job["StandardErrorPath"] == str(home / ".xopc" / "logs" / "gateway.err.log")
    assert job["WorkingDirectory"] == str(home / ".xopc")


def test_another_parser_reads_the_same_and_finds_it_valid(home: Path) -> None:
    definition = a_definition(
        home,
        arguments=(AWKWARD, "gateway", AWKWARD),
        environment={"A": AWKWARD},
        working_directory=home / AWKWARD,
        description=AWKWARD,
    )
    root = etree.fromstring(render(definition))
    with DTD.open("rb") as file:
        dtd = etree.DTD(file)
    assert dtd.validate(root), dtd.error_log
    [value] = [child for child in root if isinstance(child.tag, str)]
    job = read_plist(value)
    assert job == plistlib.loads(render(definition))
    assert isinstance(job, dict)
    assert job["ProgramArguments"] == [AWKWARD, "gateway", AWKWARD]
    assert job["EnvironmentVariables"] == {"A": AWKWARD}


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\0b", "a\x1bb", "\udc80"])
def test_what_no_plist_can_hold_is_refused_by_name(home: Path, text: str) -> None:
    with pytest.raises(ServiceManagerError, match="the variable NAME "):
        render(a_definition(home, environment={"NAME": text}))
    with pytest.raises(ServiceManagerError, match="the command line "):
        render(a_definition(home, arguments=("/bin/true", text)))


# ------------------------------------------------------------ installation


def test_row_060_install_writes_the_plist_and_has_launchd_load_it(
    agent: Launchd, tools: FakeManagers, home: Path
) -> None:
    assert agent.loaded_text() == "LaunchAgent (not loaded)"
    assert agent.install(a_definition(home)) == []
    assert agent.source_path == home / "Library" / "LaunchAgents" / "ai.xopc.gateway.plist"
    assert calls(tools) == [
        ["enable", TARGET],
        ["bootout", TARGET],
        ["bootstrap", DOMAIN, str(agent.source_path)],
    ]
    assert agent.is_loaded()
    assert agent.loaded_text() == "LaunchAgent (loaded)"
    assert agent.runtime().status is RuntimeStatus.RUNNING


def test_row_066_the_token_stands_in_the_file_of_secrets_and_nowhere_else(
    agent: Launchd, tools: FakeManagers, home: Path
) -> None:
    definition = a_definition(home)
    agent.install(definition)
    assert read_secrets(definition.secrets_path) == {"XOPC_GATEWAY_TOKEN": "a-secret-token"}
    assert definition.secrets_path.stat().st_mode & 0o777 == 0o600
    assert "a-secret-token" not in agent.source_path.read_text()
    assert "a-secret-token" not in str(tools.calls)
    assert "a-secret-token" not in repr(agent.read())


def test_the_directory_of_its_output_is_there_for_launchd_does_not_make_it(agent: Launchd, home: Path) -> None:
    agent.install(a_definition(home))
    assert (home / ".xopc" / "logs").is_dir()


def test_what_runs_goes_on_when_it_is_installed_again(installed: Launchd, tools: FakeManagers, home: Path) -> None:
    pid = installed.runtime().pid
    installed.install(a_definition(home, arguments=("/opt/xopc/bin/xopc", "gateway", "--port", "8081")))
    assert calls(tools) == [["enable", TARGET]]
    assert installed.runtime().pid == pid


def test_what_is_read_is_what_was_installed(agent: Launchd, home: Path) -> None:
    definition = a_definition(home, arguments=("/opt/x y/xopc", "gateway", AWKWARD))
    agent.install(definition)
    found = agent.read()
    assert found is not None
    assert found.arguments == definition.arguments
    assert found.environment == definition.environment
    assert found.secrets == definition.secrets
    assert found.working_directory == definition.working_directory
    assert found.settings["KeepAlive.SuccessfulExit"] == "false"
    assert found.settings["RunAtLoad"] == "true"
    assert found.settings["ExitTimeOut"] == "20"
    assert "<plist" in found.text


def test_a_plist_that_somebody_changed_is_read_as_far_as_it_goes(installed: Launchd) -> None:
    installed.source_path.write_bytes(plistlib.dumps({"Label": "x", "KeepAlive": True, "ProgramArguments": "no list"}))
    found = installed.read()
    assert found is not None
    assert (found.arguments, found.environment, found.working_directory) == ((), {}, None)
    assert found.settings["KeepAlive"] == "true"


@pytest.mark.parametrize(
    "content", [b"", b"no plist", b"<plist><dict><key>a</dict></plist>", b"<plist><array/></plist>", b"\xff\xfe"]
)
def test_a_plist_that_is_none_is_not_read(installed: Launchd, content: bytes) -> None:
    installed.source_path.write_bytes(content)
    assert installed.read() is None


def test_nothing_is_left_of_an_installation_that_launchd_refuses(
    agent: Launchd, tools: FakeManagers, home: Path
) -> None:
    tools.set(headless=True)
    assert not agent.is_available()
    with pytest.raises(ServiceManagerError, match="only of a user who is logged in at the screen"):
        agent.install(a_definition(home))
    assert not agent.source_path.exists()
    assert not a_definition(home).secrets_path.exists()


def test_what_was_installed_before_is_put_back_when_launchd_refuses(
    installed: Launchd, tools: FakeManagers, home: Path
) -> None:
    before = installed.source_path.read_bytes()
    tools.fail("launchctl", "enable", code=150, text="Operation not permitted while System Integrity Protection is on")
    with pytest.raises(ServiceManagerError, match=r"`launchctl enable .* ended with exit code 150: Operation not"):
        installed.install(a_definition(home, description="another"))
    assert installed.source_path.read_bytes() == before


@pytest.mark.parametrize("code", [5, 37])
def test_a_job_that_launchd_is_still_forgetting_is_loaded_a_little_later(
    installed: Launchd, tools: FakeManagers, home: Path, code: int
) -> None:
    tools.fail("launchctl", "bootstrap", code=code, text=f"Bootstrap failed: {code}", times=2)
    installed.stop()
    tools.forget_calls()
    installed.install(a_definition(home, description="another"))
    assert len(tools.calls_of("launchctl", "bootstrap")) == 3
    assert installed.runtime().status is RuntimeStatus.RUNNING


def test_exit_code_37_means_that_somebody_else_has_loaded_it(
    installed: Launchd, tools: FakeManagers, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(_: Launchd) -> None:
        pass

    monkeypatch.setattr(Launchd, "_unload", nothing)
    installed.stop()
    installed.install(a_definition(home))
    assert len(tools.calls_of("launchctl", "bootstrap")) == 1


def test_a_bootstrap_that_never_succeeds_is_told(
    agent: Launchd, tools: FakeManagers, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launchd, "LOAD_SECONDS", 0.1)
    tools.fail("launchctl", "bootstrap", code=5, text="Bootstrap failed: 5: Input/output error")
    with pytest.raises(ServiceManagerError, match="exit code 5: Bootstrap failed: 5: Input/output error"):
        agent.install(a_definition(home))


# --------------------------------------------------------------- the verbs


def test_row_075_start_has_launchd_start_what_it_has_loaded(installed: Launchd, tools: FakeManagers) -> None:
    installed.stop()
    tools.forget_calls()
    installed.start()
    assert calls(tools) == [["enable", TARGET], ["kickstart", TARGET]]
    assert installed.runtime().status is RuntimeStatus.RUNNING


def test_a_start_after_a_change_loads_the_definition_on_disk(
    installed: Launchd, tools: FakeManagers, home: Path
) -> None:
    installed.install(a_definition(home, arguments=("/opt/new/xopc", "gateway")))
    tools.forget_calls()
    installed.start()
    path = str(installed.source_path)
    assert calls(tools) == [
        ["enable", TARGET],
        ["bootout", TARGET],
        ["bootstrap", DOMAIN, path],
        ["kickstart", TARGET],
    ]
    assert "/opt/new/xopc" in tools_print(tools)


def tools_print(tools: FakeManagers) -> str:
    return run_tool("launchctl", "print", TARGET, environ=tools.environ).check().output


def test_row_080_stop_sends_sigterm(installed: Launchd, tools: FakeManagers) -> None:
    installed.stop()
    assert calls(tools) == [["kill", "SIGTERM", TARGET]]
    assert installed.runtime().status is RuntimeStatus.STOPPED
    assert installed.is_loaded()


def test_a_stop_of_what_does_not_run_or_is_not_loaded_is_done(installed: Launchd) -> None:
    installed.stop()
    installed.stop()
    installed.disable()
    installed.stop()


def test_row_083_a_permanent_stop_unloads_it_and_leaves_the_plist(installed: Launchd, tools: FakeManagers) -> None:
    installed.disable()
    assert calls(tools) == [["disable", TARGET], ["bootout", TARGET]]
    assert not installed.is_loaded()
    assert installed.source_path.exists()
    assert installed.runtime().state == "not loaded"


def test_after_a_permanent_stop_it_starts_when_it_is_told_to(installed: Launchd) -> None:
    installed.disable()
    installed.start()
    assert installed.is_loaded()
    assert installed.runtime().status is RuntimeStatus.RUNNING


@pytest.mark.parametrize("verb", ["stop", "disable"])
def test_what_was_stopped_or_put_off_stays_so_when_it_is_written_anew(
    installed: Launchd, tools: FakeManagers, home: Path, verb: str
) -> None:
    getattr(installed, verb)()
    tools.forget_calls()
    installed.install(a_definition(home, description="newer"), keep_off=True)
    assert calls(tools) == []
    assert installed.runtime().status is RuntimeStatus.STOPPED
    installed.start()
    assert installed.runtime().status is RuntimeStatus.RUNNING


def test_row_084_a_restart_kickstarts_it(installed: Launchd, tools: FakeManagers) -> None:
    before = installed.runtime().pid
    installed.restart()
    assert calls(tools) == [["kill", "SIGTERM", TARGET], ["kickstart", "-k", TARGET]]
    assert installed.runtime().pid not in (None, before)


def test_a_restart_after_a_change_loads_the_definition_on_disk(
    installed: Launchd, tools: FakeManagers, home: Path
) -> None:
    installed.install(a_definition(home, environment={"XOPC_SERVICE_VERSION": "1.2.4"}))
    installed.restart()
    assert "XOPC_SERVICE_VERSION => 1.2.4" in tools_print(tools)


def test_a_restart_that_kickstart_refuses_loads_it_anew(installed: Launchd, tools: FakeManagers) -> None:
    tools.fail("launchctl", "kickstart", "-k", code=150)
    installed.restart()
    assert [argv[0] for argv in calls(tools)][-3:] == ["bootout", "bootstrap", "kickstart"]


def test_row_078_uninstall_leaves_nothing(installed: Launchd, tools: FakeManagers, home: Path) -> None:
    installed.uninstall()
    assert not installed.source_path.exists()
    assert not (home / ".xopc" / "service").exists()
    assert installed.read() is None
    assert not installed.is_loaded()
    assert calls(tools) == [["bootout", TARGET]]


def test_a_second_uninstall_is_no_failure(installed: Launchd) -> None:
    installed.uninstall()
    installed.uninstall()


def test_what_bootout_refuses_is_told(installed: Launchd, tools: FakeManagers) -> None:
    tools.fail("launchctl", "bootout", code=1, text="Boot-out failed: 1: Operation not permitted")
    with pytest.raises(ServiceManagerError, match="Operation not permitted"):
        installed.uninstall()
    assert installed.source_path.exists()


def test_a_bootout_that_is_under_way_is_waited_for(
    installed: Launchd, tools: FakeManagers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launchd, "STOP_SECONDS", 0.1)
    tools.fail("launchctl", "bootout", code=36, text="Boot-out failed: 36: Operation now in progress")
    with pytest.raises(ServiceManagerError, match=r"has not unloaded .* within 0\.1 s: try again"):
        installed.disable()


def test_the_exit_status_is_told(installed: Launchd, tools: FakeManagers) -> None:
    tools.adopt(JOB, None, exit_status=78)
    found = installed.runtime()
    assert (found.status, found.pid, found.last_exit_status) == (RuntimeStatus.STOPPED, None, 78)


def test_a_profile_has_a_label_of_its_own(tools: FakeManagers) -> None:
    assert of_profile(tools.environ, "rescue").source_path.name == "ai.xopc.gateway.rescue.plist"


def test_without_launchctl_it_is_not_available(home: Path) -> None:
    tools = FakeManagers(home, tools=())
    agent = of_profile({**tools.environ, "PATH": str(tools.bin)}, "")
    assert not agent.is_available()
    assert not agent.is_loaded()
    assert agent.runtime().status is RuntimeStatus.UNKNOWN
    with pytest.raises(ServiceManagerError, match="cannot be run: No such file"):
        agent.start()


def test_what_is_loaded_runs_with_its_environment_and_ends_in_good_order(home: Path) -> None:
    """Here the job is a real process."""
    program = (
        "import os, pathlib, signal, sys, time\n"
        "here = pathlib.Path(sys.argv[1])\n"
        "def end(*_):\n"
        "    time.sleep(0.3)\n"
        "    (here / 'ended').write_text('in good order')\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "(here / 'started').write_text(os.environ['AWKWARD'] + os.getcwd())\n"
        "time.sleep(60)\n"
    )
    script = home / "program.py"
    script.write_text(program)
    definition = a_definition(
        home, arguments=(sys.executable, str(script), str(home)), environment={"AWKWARD": AWKWARD}
    )
    (home / ".xopc").mkdir()
    with FakeManagers(home, runs=True) as tools:
        agent = of_profile(tools.environ, "")
        agent.install(definition)
        until((home / "started").exists, "it runs")
        until(lambda: (home / "started").read_text() == AWKWARD + str(home / ".xopc"), "as its definition says")
        agent.stop()
        assert (home / "ended").read_text() == "in good order"
        assert agent.runtime().status is RuntimeStatus.STOPPED


def test_a_launchd_that_hangs_is_not_waited_for_as_long_as_one_that_ends_a_gateway(
    installed: Launchd, tools: FakeManagers, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools.fail("launchctl", "print", seconds=20)
    monkeypatch.setattr(launchd, "LOOK_SECONDS", 0.1)
    assert not installed.is_available()
    assert not installed.is_loaded()
    assert installed.runtime().state.endswith("did not end within 0.1 s")
