"""A Mac's whole life of a service: the real commands and gateways, and a `launchctl` that starts what a plist says."""

from __future__ import annotations

import json
import os
import plistlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import TOKEN, XOPC, is_refused, until, write_config
from tests.fakes.service_managers import FakeManagers
from tests.ports import free_port

TARGET = f"gui/{os.getuid()}/ai.xopc.gateway"
ON_A_MAC = f"""
import sys
sys.argv[0] = {str(XOPC)!r}
from xopc.service.managers import find as managers
managers._BACK_ENDS = {{"linux": managers._launchd}}
from xopc.cli.main import main
main()
"""


class Mac:
    """A person's commands on it."""

    def __init__(self, home: Path, tools: FakeManagers) -> None:
        self.home, self.tools = home, tools
        self.plist = home / "Library" / "LaunchAgents" / "ai.xopc.gateway.plist"

    def xopc(self, *words: str, code: int = 0) -> str:
        """What a command prints."""
        done = subprocess.run(
            [sys.executable, "-c", ON_A_MAC, *words],
            env={**os.environ, **self.tools.environ, "XOPC_HOME": str(self.home)},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def json(self, *words: str, code: int = 0) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.xopc(*words, "--json", code=code))

    @property
    def pid(self) -> int | None:
        return self.tools.pid("launchd:ai.xopc.gateway")


@pytest.fixture
def mac(home: Path) -> Iterator[Mac]:
    write_config(home, {"gateway": {"port": free_port(), "auth": {"token": TOKEN}}})
    with FakeManagers(home, runs=True) as tools:
        yield Mac(home, tools)


@pytest.mark.timeout(120)
def test_a_service_is_installed_restarted_stopped_started_and_removed(mac: Mac) -> None:
    installed = mac.json("gateway", "service", "install")
    assert installed["result"] == "installed"
    assert "It has been started, and starts when you log in." in installed["hints"]
    assert plistlib.loads(mac.plist.read_bytes())["EnvironmentVariables"]["XOPC_SERVICE_MARKER"] == "launchd"
    assert TOKEN not in mac.plist.read_text()
    status = until(lambda: serving(mac), "launchd has started it")
    first = mac.pid
    assert status["pid"] == first

    mac.tools.forget_calls()
    restarted = mac.json("gateway", "restart", "--wait", "30s")
    assert restarted["result"] == "healthy"
    assert mac.pid not in (None, first)
    [kickstart] = [call for call in mac.tools.calls if call.argv[0] == "kickstart"]
    assert kickstart.argv == ("kickstart", "-k", TARGET)
    assert [call.intent for call in mac.tools.calls if call.argv[:2] == ("kill", "SIGTERM")] == [True]

    port = until(lambda: serving(mac), "it serves")["port"]
    mac.xopc("gateway", "stop")
    assert is_refused(port)
    assert mac.tools.calls_of("launchctl", "kill", "SIGTERM")[-1] == ["kill", "SIGTERM", TARGET]
    assert mac.json("gateway", "service", "start")["outcome"] == "started"
    assert until(lambda: serving(mac), "it serves again")["pid"] == mac.pid

    mac.xopc("gateway", "stop", "--disable")
    assert mac.tools.calls_of("launchctl", "bootout", TARGET)
    assert mac.plist.exists()
    mac.xopc("gateway", "service", "uninstall")
    assert not mac.plist.exists()
    assert not (mac.home / ".xopc" / "service").exists()


@pytest.mark.timeout(120)
def test_a_bad_configuration_is_not_started_again_and_again(mac: Mac) -> None:
    """Exit code 78 of the gateway is 0 for launchd, which leaves alone what succeeds."""
    mac.xopc("gateway", "service", "install")
    until(lambda: serving(mac), "launchd has started it")
    mac.xopc("gateway", "stop")
    (mac.home / ".xopc" / "xopc.json").write_text('{"gateway": {"port": "none"}}')
    (mac.home / ".xopc" / "accepted").rename(mac.home / "elsewhere")
    job = plistlib.loads(mac.plist.read_bytes())
    done = subprocess.run(
        job["ProgramArguments"], env=job["EnvironmentVariables"], capture_output=True, timeout=40, check=False
    )
    assert done.returncode == 0
    assert b"refused to start" in done.stdout + done.stderr
    assert job["KeepAlive"] == {"SuccessfulExit": False}


def serving(mac: Mac) -> Any:  # noqa: ANN401 - JSON
    """What the lock says, once the gateway serves."""
    for path in (mac.home / ".xopc" / "locks").glob("gateway.*.lock"):
        text = path.read_text().partition("\n")[0]
        info: Any = json.loads(text) if text.endswith("}") else {}
        if info.get("state") == "serving" and info.get("pid") == mac.pid:
            return info
    return None
