from __future__ import annotations

import pytest

from xopc.service.managers.base import RuntimeStatus
from xopc.service.managers.launch_print import parse_print

RUNNING = """gui/501/ai.xopc.gateway = {
	active count = 1
	path = /Users/ada/Library/LaunchAgents/ai.xopc.gateway.plist
	type = LaunchAgent
	state = running

	program = /opt/xopc/bin/xopc
	arguments = {
		/opt/xopc/bin/xopc
		gateway
		pid = 7
	}

	inherited environment = {
		SSH_AUTH_SOCK => /private/tmp/com.apple.launchd.abc/Listeners
	}

	environment = {
		XOPC_SERVICE_VERSION => 1.2.3
		LAST => pid = 8
		XPC_SERVICE_NAME => ai.xopc.gateway
	}

	domain = gui/501 [100003]
	pid = 4242
	last exit code = (never exited)

	event triggers = {
		one = {
			pid = 9
		}
	}
}
"""


def test_a_job_that_runs() -> None:
    found = parse_print(RUNNING).runtime()
    assert (found.status, found.pid, found.last_exit_status, found.state) == (
        RuntimeStatus.RUNNING,
        4242,
        None,
        "running",
    )


@pytest.mark.parametrize(("line", "status"), [("0", 0), ("78: EX_CONFIG", 78), ("-9", -9), ("(never exited)", None)])
def test_a_job_that_ended(line: str, status: int | None) -> None:
    text = RUNNING.replace("\tpid = 4242\n", "").replace("(never exited)", line).replace("= running", "= not running")
    found = parse_print(text).runtime()
    assert (found.status, found.pid, found.last_exit_status) == (RuntimeStatus.STOPPED, None, status)
    assert found.state == "not running"


def test_a_job_that_was_loaded_from_this_definition() -> None:
    job = parse_print(RUNNING)
    arguments = ("/opt/xopc/bin/xopc", "gateway", "pid = 7")
    assert job.runs(arguments, {"XOPC_SERVICE_VERSION": "1.2.3", "LAST": "pid = 8"})
    assert not job.runs(arguments, {"XOPC_SERVICE_VERSION": "1.2.4"})
    assert not job.runs(arguments[:2], {})


def test_a_print_that_says_nothing_that_is_known() -> None:
    job = parse_print("something else\n")
    assert job.runtime().status is RuntimeStatus.STOPPED
    assert not job.runs((), {})
