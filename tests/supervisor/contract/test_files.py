import hashlib
import json
from pathlib import Path

import pytest

from xopc_supervisor.contract import Installation, LockInfo, RestartIntent, lock_path


def test_the_lock_file_bears_the_names_that_other_programs_read() -> None:
    info = LockInfo(pid=4711, start_time=99, config_path="/x.json", created_at="2026-01-02T03:04:05Z", child_pid=4712)
    assert json.loads(info.to_json()) == {
        "pid": 4711,
        "startTime": 99,
        "configPath": "/x.json",
        "createdAt": "2026-01-02T03:04:05Z",
        "childPid": 4712,
    }
    assert LockInfo.from_json(info.to_json()) == info


def test_the_rest_of_a_longer_text_does_not_spoil_a_lock_file() -> None:
    info = LockInfo(pid=1, start_time=2, config_path="/x.json", created_at="")
    assert LockInfo.from_json(info.to_json() + '4711, "left": "over"}\n') == info


@pytest.mark.parametrize("text", ["", "4711", "[]", "{}", '{"pid": "one"}', '{"pid": true}', '{"pid": -1}', "\0", "{"])
def test_a_text_that_is_no_lock_is_none(text: str) -> None:
    assert LockInfo.from_json(text) is None


def test_the_lock_path_hashes_the_real_path_of_the_configuration(tmp_path: Path) -> None:
    real = tmp_path / "real.json"
    real.touch()
    link = tmp_path / "link.json"
    link.symlink_to(real)
    digest = hashlib.sha256(str(real.resolve()).encode()).hexdigest()[:8]
    assert lock_path("/s", str(link)) == lock_path("/s", str(real)) == f"/s/locks/gateway.{digest}.lock"


def test_an_intent_survives_its_file() -> None:
    intent = RestartIntent(4711, "boot", "respawn", "update", 1_700_000_000_000)
    assert RestartIntent.from_json(intent.to_json()) == intent
    assert json.loads(intent.to_json())["kind"] == "gateway-restart"


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "other"},
        {"pid": "4711"},
        {"pid": True},
        {"createdAt": 1.5},
        {"mode": "reload"},
        {"mode": None},
        {"reason": 3},
        {"bootId": 7},
    ],
)
def test_an_intent_of_another_shape_is_none(change: dict[str, object]) -> None:
    intent = RestartIntent(4711, "boot", "respawn", "update", 1_700_000_000_000)
    assert RestartIntent.from_json(json.dumps(json.loads(intent.to_json()) | change)) is None


def test_an_intent_is_for_one_supervisor_and_one_boot() -> None:
    intent = RestartIntent(4711, "boot", "in-process", "", 0)
    assert intent.is_for(4711, "boot")
    assert not intent.is_for(4712, "boot")
    assert not intent.is_for(4711, "another")
    assert intent._replace(boot_id=None).is_for(4711, "another")


@pytest.mark.parametrize(("age_ms", "fresh"), [(0, True), (60_000, True), (60_001, False), (-1, False)])
def test_an_intent_is_fresh_for_a_minute(age_ms: int, fresh: bool) -> None:
    assert RestartIntent(1, None, "in-process", "", 1_000_000).is_fresh(1_000_000 + age_ms) is fresh


def test_an_intent_whose_reason_is_no_text_is_followed_all_the_same() -> None:
    text = RestartIntent(4711, None, "in-process", "für Ana", 0).to_json().replace("\\u00fc", "\\udcfc")
    intent = RestartIntent.from_json(text)
    assert intent is not None
    assert intent.reason == "f?r Ana"


def test_a_text_of_a_thousand_brackets_is_no_intent_and_no_lock() -> None:
    assert RestartIntent.from_json("[" * 100_000) is None
    assert LockInfo.from_json("[" * 100_000) is None


def test_what_an_environment_says_of_itself_survives_its_file(tmp_path: Path) -> None:
    said = Installation("/opt/xopc/current", "lib/xopc/__init__.py", "sha256=00")
    (tmp_path / Installation.NAME).write_text(said.to_json())
    assert Installation.read(str(tmp_path)) == said


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"current": 1, "versionFile": "x"}', '{"current": "/x"}', "[" * 9999]
)
def test_an_environment_that_says_nothing_sensible_says_nothing(tmp_path: Path, text: str) -> None:
    assert Installation.read(str(tmp_path)) is None
    (tmp_path / Installation.NAME).write_text(text)
    assert Installation.read(str(tmp_path)) is None
