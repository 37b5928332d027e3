"""Which service manager keeps a gateway running."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from xopc.service.keeper import Keeper, is_manager, keeper_of, parse_cgroup
from xopc.service.poll import attempts

SLEEP = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]


@contextmanager
def process(**environ: str) -> Generator[int]:
    """The pid of a process with this environment."""
    with subprocess.Popen(SLEEP, env={**os.environ, **environ}, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        try:
            yield running.pid
        finally:
            running.kill()


def test_what_nobody_keeps_has_no_keeper() -> None:
    with process() as pid:
        assert keeper_of(pid) is None
    assert keeper_of(pid) is None, "it has ended"


@pytest.mark.parametrize("marker", ["systemd", "launchd", "schtasks"])
def test_the_marker_names_the_keeper(marker: str) -> None:
    with process(XOPC_SERVICE_MARKER=marker) as pid:
        keeper = keeper_of(pid)
    assert keeper is not None
    assert keeper.name == marker
    assert keeper.cure.startswith("stop ")


def test_a_job_of_launchd_is_stopped_by_its_label() -> None:
    with process(XOPC_SERVICE_MARKER="launchd", XPC_SERVICE_NAME="ai.xopc.gateway") as pid:
        keeper = keeper_of(pid)
    command = f"launchctl bootout gui/{os.getuid()}/ai.xopc.gateway"
    assert keeper is not None
    assert keeper == Keeper("launchd", "ai.xopc.gateway", command)
    assert keeper.cure == f"stop ai.xopc.gateway with `{command}`"


def test_systemds_main_process_is_kept_and_what_it_started_is_not() -> None:
    code = (
        "import os, sys, time; os.environ['SYSTEMD_EXEC_PID'] = str(os.getpid());"
        f"os.execv(sys.executable, [sys.executable, *{SLEEP[1:]!r}])"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        keeper = keeper_of(running.pid)
        running.kill()
    assert keeper is not None
    assert keeper.name == "systemd"
    with process(SYSTEMD_EXEC_PID="1") as pid:
        assert keeper_of(pid) is None


def test_a_service_manager_is_known_by_its_pid_or_name() -> None:
    assert is_manager(1)
    assert not is_manager(os.getpid())
    assert not is_manager(2**22 + 1)
    sleep = shutil.which("sleep")
    assert sleep is not None
    with subprocess.Popen(["/lib/systemd/systemd", "60"], executable=sleep) as running:
        # For a moment after exec(2) a process has no arguments yet.
        found = any(is_manager(running.pid) for _ in attempts(5, first=0.01, longest=0.1))
        running.kill()
    assert found


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/xopc-gateway.service\n",
            "systemctl --user stop xopc-gateway.service",
        ),
        ("0::/system.slice/xopc-gateway-work.service\n", "sudo systemctl stop xopc-gateway-work.service"),
        ("3:cpuset:/\n1:name=systemd:/system.slice/xopc.service\n0::/\n", "sudo systemctl stop xopc.service"),
        ("0::/user.slice/user-1000.slice/user@1000.service\n", None),
        ("0::/user.slice/user-1000.slice/session-2.scope\n", None),
        ("0::/\n", None),
        ("", None),
    ],
)
def test_the_unit_stands_in_the_control_group(text: str, command: str | None) -> None:
    assert parse_cgroup(text).stop_command == command
