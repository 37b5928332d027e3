"""An update and a rollback of an installed service under a real service manager, between real wheels.

Like `under_systemd.py` not among the tests of `make test`; `.ci/run` runs both where that is possible.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import TOKEN, write_config
from tests.e2e.load import Load
from tests.e2e.systemd import Unit, user_manager
from tests.e2e.wheels import build_wheel, install, offline, pack_dependencies
from tests.ports import free_port

OLD, NEW = "0.1.0", "0.2.0"


@pytest.mark.timeout(900)  # pip installs all that xopc needs, twice
def test_a_service_is_updated_and_goes_back_and_its_manager_restarts_what_is_in_use(tmp_path: Path) -> None:
    house, home, port = tmp_path / "house", tmp_path / "home", free_port()
    pack_dependencies(house)
    newer = build_wheel(tmp_path / "new", NEW)
    script = install(build_wheel(tmp_path / "old", OLD), tmp_path / "venv", house)
    home.mkdir()
    write_config(home, {"gateway": {"port": port, "auth": {"token": TOKEN}}})
    with user_manager() as manager:

        def xopc(*words: str | Path) -> str:
            command, environ = manager.command(home, script, *words)
            environ |= offline(house)
            return subprocess.run(
                command, env=environ, cwd=home, capture_output=True, text=True, timeout=400, check=True
            ).stdout

        unit = Unit(manager, "xopc-gateway")
        xopc("gateway", "service", "install")
        xopc("gateway", "service", "start")
        with Load(port, "/health", {}).running() as load:
            for words, version in ((("update", "--wheel", newer), NEW), (("update", "--rollback"), OLD)):
                main = unit.show("MainPID")
                done = json.loads(xopc(*words, "--json"))
                assert (done["gateway"], done["warnings"]) == ("handed-over", [])
                assert unit.show("MainPID") == main, "the manager has not noticed"
                assert unit.show("Description") == f"xopc Gateway (v{version})"
                assert health(port)["version"] == version
                before = health(port)["bootId"]
                xopc("gateway", "restart", "--wait", "60s")
                assert unit.show("MainPID") != main, "the manager has started it anew"
                assert (health(port)["version"], health(port)["bootId"] == before) == (version, False)
        assert [failure for failure in load.failures if '"stopping"' not in failure] == []
        text = (manager.units / unit.unit).read_text()
        assert f"ExecStart={done['program']} gateway" in text


def health(port: int) -> dict[str, Any]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/health")
        return json.load(connection.getresponse())
