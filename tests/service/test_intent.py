"""The restart intent: whole, private, and gone in any case."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path

import pytest

from xopc.service.intent import drop_intent, intent_for, pending_intent
from xopc_supervisor.contract import IN_PROCESS, LockInfo, RestartIntent
from xopc_supervisor.intent import consume


def an_intent(reason: str = "a test") -> RestartIntent:
    return RestartIntent(4711, "a-boot", IN_PROCESS, reason, int(time.time() * 1000))


def test_it_names_whom_it_is_for_and_why() -> None:
    owner = LockInfo(4711, None, "", "", boot_id="a-boot")
    intent = intent_for(owner, IN_PROCESS, "because")
    assert (intent.pid, intent.boot_id, intent.mode, intent.reason) == (4711, "a-boot", IN_PROCESS, "because")
    assert intent.is_fresh(int(time.time() * 1000))


def test_it_is_a_private_file_that_the_supervisor_understands(tmp_path: Path) -> None:
    path = tmp_path / "new" / "intent.json"
    with pending_intent(path, an_intent()) as pending:
        assert path.stat().st_mode & 0o777 == 0o600
        assert not pending.is_consumed()
        assert consume(str(path), 4711, "a-boot") is not None
        assert pending.is_consumed()
    assert list(path.parent.iterdir()) == []


def test_what_root_leaves_is_of_whoever_the_gateway_is_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[int, int]] = []

    def give(fd: int, user: int, group: int) -> None:
        given.append((user, group))

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", give)
    with pending_intent(tmp_path / "intent.json", an_intent()):
        assert given == [(tmp_path.stat().st_uid, tmp_path.stat().st_gid)]


def test_one_that_the_disk_does_not_take_is_told_with_its_path_and_leaves_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    path = tmp_path / "intent.json"
    with pytest.raises(OSError, match="No space") as raised, pending_intent(path, an_intent()):
        pass
    assert raised.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []


def test_on_a_read_only_disk_its_own_path_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object, **__: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    path = tmp_path / "intent.json"
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(OSError, match="Read-only") as raised, pending_intent(path, an_intent()):
            pass
    assert raised.value.filename == str(path)


def test_row_044_it_is_removed_when_nobody_takes_it(tmp_path: Path) -> None:
    path = tmp_path / "intent.json"
    with pending_intent(path, an_intent()):
        assert path.exists()
    assert not path.exists()


def test_row_044_it_is_removed_after_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "intent.json"
    with pytest.raises(ZeroDivisionError), pending_intent(path, an_intent()):
        raise ZeroDivisionError
    assert not path.exists()


def test_before_a_stop_that_of_the_same_gateway_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "intent.json"
    drop_intent(path, 4711)
    with pending_intent(path, an_intent()):
        drop_intent(path, 4712)
        assert path.exists()
        drop_intent(path, 4711)
        assert not path.exists()
    path.write_text("no intent")
    drop_intent(path, 4711)
    assert path.exists()


def test_the_intent_of_another_command_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "intent.json"
    with pending_intent(path, an_intent()) as first:
        other = an_intent("another").to_json()
        path.write_text(other)
        assert first.is_consumed()
    assert path.read_text() == other


@pytest.mark.parametrize("sign", ["x", "ä", "中", "🦊", '"', "\x01"])
def test_a_long_reason_is_cut_to_what_the_supervisor_reads(tmp_path: Path, sign: str) -> None:
    path = tmp_path / "intent.json"
    with pending_intent(path, an_intent(sign * 300)):
        taken = consume(str(path), 4711, "a-boot")
    assert taken is not None
    assert taken.reason == sign * len(taken.reason)
    assert 60 < len(taken.reason) <= RestartIntent.MAX_REASON_CHARS


def test_a_reason_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "intent.json"
    with pending_intent(path, an_intent(" two\nlines\tof  it ")):
        assert json.loads(path.read_text())["reason"] == "two lines of it"


def test_where_it_cannot_be_written_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "intent.json").mkdir()
    with pytest.raises(OSError, match=r"directory"), pending_intent(tmp_path / "intent.json", an_intent()):
        pytest.fail("it was written")
    assert [path.name for path in tmp_path.iterdir()] == ["intent.json"]
