from __future__ import annotations

import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from xopc.cli.doctor.check import Fault, Result, Sight
from xopc.cli.doctor.places import look_at_leftovers, look_at_places
from xopc.cli.gateway.target import find_target
from xopc.config.audit import Severity
from xopc_supervisor.contract import RestartIntent


def places() -> Result:
    return look_at_places(Sight(find_target(None)))


def leftovers() -> tuple[Fault, ...]:
    return look_at_leftovers(Sight(find_target(None))).faults


def test_where_nothing_is_yet_a_start_makes_it(home: Path) -> None:
    assert places() == Result("The gateway may write where it has to")
    assert leftovers() == ()


def test_directories_that_are_there_are_fine(home: Path) -> None:
    (home / ".xopc" / "logs").mkdir(parents=True)
    assert places().faults == ()


def test_a_directory_that_nobody_may_write_to_is_critical_and_its_cure_mends_it(home: Path) -> None:
    logs = home / ".xopc" / "logs"
    logs.mkdir(parents=True)
    logs.chmod(0o500)
    (fault,) = places().faults
    assert (fault.check_id, fault.severity, fault.where) == ("files.not-writable", Severity.CRITICAL, str(logs))
    subprocess.run(shlex.split(fault.remediation), check=True)
    assert places().faults == ()


def test_a_file_in_the_place_of_a_directory_is_critical_and_its_cure_mends_it(home: Path) -> None:
    (home / ".xopc").mkdir()
    logs = home / ".xopc" / "logs"
    logs.write_text("")
    (fault,) = places().faults
    assert (fault.check_id, fault.where) == ("files.no-directory", str(logs))
    subprocess.run(shlex.split(fault.remediation), check=True)
    assert places().faults == ()


def test_a_file_above_is_found_once_for_each_place(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("XOPC_LOG_DIR", str(home / "file" / "logs"))
    (fault,) = places().faults
    assert (fault.check_id, fault.where) == ("files.no-directory", str(home / "file"))
    monkeypatch.setenv("XOPC_LOG_DIR", str(home / "file" / "more" / "logs"))
    assert [fault.where for fault in places().faults] == [str(home / "file")]


def test_a_place_that_cannot_be_made_is_critical(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody_may(path: Path, mode: int) -> bool:
        return False

    monkeypatch.setattr(os, "access", nobody_may)
    fault = places().faults[0]
    assert (fault.check_id, fault.where) == ("files.not-writable", str(home / ".xopc"))
    assert fault.remediation.startswith(f"sudo mkdir -p {home}/.xopc && sudo chown ")


def test_an_intent_that_was_not_taken_is_told_once_it_is_old(home: Path) -> None:
    path = find_target(None).paths.intent_path
    path.parent.mkdir()
    now = round(time.time() * 1000)
    path.write_text(RestartIntent(4100, "a-boot", "in-process", "a reason", now).to_json())
    assert leftovers() == ()
    path.write_text(RestartIntent(4100, "a-boot", "in-process", "a reason", now - 61_000).to_json())
    (fault,) = leftovers()
    assert (fault.check_id, fault.severity, fault.where) == ("files.stale-intent", Severity.INFO, str(path))
    assert fault.remediation == f"rm {path}"
    path.write_text("odd")
    assert len(leftovers()) == 1


def test_a_draft_of_a_killed_command_is_told(home: Path) -> None:
    draft = home / ".xopc" / ".gateway-restart-intent.json.4100"
    draft.parent.mkdir()
    draft.touch()
    assert [fault.where for fault in leftovers()] == [str(draft)]
