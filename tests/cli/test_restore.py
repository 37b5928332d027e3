from __future__ import annotations

import fcntl
import json
import os
import shlex
import tarfile
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from tests.fakes.service_managers import FakeManagers
from tests.service.backup.test_reading import rewritten
from tests.service.backup.worlds import World, world
from xopc.cli.gateway.service.install import install
from xopc.cli.gateway.target import find_target
from xopc.cli.restore import restore
from xopc.contracts.errors import XopcError
from xopc.service.backup.journal import Exchange, Journal, commit, journal_path
from xopc.service.backup.manifest import MANIFEST
from xopc.storage.migrate import LATEST_SCHEMA
from xopc_supervisor.contract import LockInfo, start_time


@pytest.fixture
def there(home: Path) -> World:
    return world(home)


@pytest.fixture
def file(there: World, tmp_path: Path) -> str:
    """A backup of a time when everything said `a`; now it says `b`."""
    path = tmp_path / "backup.tar.gz"
    path.write_bytes(there.backup().getvalue())
    there.write("b")
    return str(path)


def test_without_a_word_nothing_is_restored(there: World, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert restore(file) == 1
    assert "add --yes" in capsys.readouterr().err
    assert there.says() == {"b", "a,b"}


def test_with_it_all_is_and_it_is_told_where_the_old_is(
    there: World, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restore(file, yes=True) == 0
    text = capsys.readouterr().out
    assert "✅ Restored to ~/.xopc: the backup of " in text
    assert "What was there: ~/.xopc/before-restore-" in text
    assert "⚠️ 1 message waited to be sent then, and may have been since. See: xopc outbox list" in text
    assert "Start with: xopc gateway" in text
    assert there.says() == {"a"}


def test_a_service_is_what_is_to_be_started_then(
    there: World, file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeManagers(there.paths.state_dir.parent) as managers:
        for name, value in managers.environ.items():
            monkeypatch.setenv(name, value)
        assert install() == 0
        assert restore(file, yes=True) == 0
    assert "Start with: xopc gateway service start\n" in capsys.readouterr().out


def test_a_dry_run_tells_and_changes_nothing(there: World, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(there.paths.state_dir.rglob("*"))
    assert restore(file, dry_run=True) == 0
    text = capsys.readouterr().out
    assert "is whole" in text
    assert "database.db: ~/.xopc/xopc.db" in text
    assert restore(file, dry_run=True, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["dryRun"], told["obstacle"], told["places"]["workspace"]) == (True, None, str(there.paths.workspace))
    assert there.says() == {"b", "a,b"}
    assert sorted(there.paths.state_dir.rglob("*")) == before


def test_a_running_gateway_keeps_it_from_being_restored_but_not_from_being_checked(
    there: World, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pid = os.getpid()
    info = LockInfo(pid=pid, start_time=start_time(pid), created_at="", config_path=str(there.paths.config_path))
    there.paths.lock_path.parent.mkdir()
    there.paths.lock_path.write_text(info.to_json())
    assert restore(file, yes=True) == 1
    assert f"The gateway runs (pid {pid})" in capsys.readouterr().err
    assert restore(file, dry_run=True) == 0
    assert f"The gateway runs (pid {pid})" in capsys.readouterr().out
    assert there.says() == {"b", "a,b"}


def test_whoever_else_has_the_database_keeps_it_from_being_restored(there: World, file: str) -> None:
    with (there.paths.state_dir / "xopc.db.lock").open("w") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(XopcError, match="process 4711"):
            restore(file, yes=True)
    assert there.says() == {"b", "a,b"}


def test_it_may_be_restored_beside_what_is_in_use(
    there: World, file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XOPC_MODELS_JSON", str(there.paths.models))
    folder = tmp_path / "other state"
    assert restore(file, to=folder, yes=True, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["stateDir"], told["held"], told["movedAside"]) == (str(folder), {"outbox": 1, "inbox": 0}, [])
    assert World(folder, {**there.environ, "XOPC_STATE_DIR": str(folder)}).says() == {"a"}
    assert there.says() == {"b", "a,b"}
    with pytest.raises(XopcError, match="not empty"):
        restore(file, to=folder, yes=True)
    assert restore(file, to=tmp_path / "third one", yes=True) == 0
    assert f"XOPC_STATE_DIR={shlex.quote(str(tmp_path / 'third one'))} xopc gateway" in capsys.readouterr().out


def test_a_place_outside_that_only_the_backup_names_has_to_be_agreed_to(
    there: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = tmp_path / ".ssh"
    keys.mkdir()
    (keys / "authorized_keys").write_text("mine")
    there.paths.config_path.write_text('{"note": "a", "agents": {"defaults": {"workspace": "~/.ssh"}}}')
    path = tmp_path / "backup.tar.gz"
    path.write_bytes(there.backup().getvalue())
    there.write("b")
    assert restore(str(path), dry_run=True) == 0
    assert f"⚠️ Its workspace goes to {keys}, outside of the state directory" in capsys.readouterr().out
    for other in (None, tmp_path):
        assert restore(str(path), yes=True, outside=other) == 1
        assert f"--outside {keys}" in capsys.readouterr().err
    assert restore(str(path), yes=True, as_json=True) == 1
    assert f"has its workspace in {keys}" in json.loads(capsys.readouterr().out)["error"]
    assert (there.says(), (keys / "authorized_keys").read_text()) == ({"b", "a,b"}, "mine")
    assert restore(str(path), yes=True, outside=Path("~/.ssh")) == 0
    (aside,) = tmp_path.glob(".ssh.before-restore-*")
    assert (aside / "authorized_keys").read_text() == "mine"
    assert restore(str(path), yes=True) == 0, "it is the workspace of this machine now"


def test_it_may_come_through_a_pipe(there: World, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(Path(file).read_bytes())))
    assert restore("-", yes=True) == 0
    assert there.says() == {"a"}


def test_it_may_come_through_a_pipe_that_has_a_name(there: World, file: str) -> None:
    reading, writing = os.pipe()  # as a shell does it: xopc restore <(age -d xopc.tar.gz.age)
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(Path(file).read_bytes())
    assert restore(f"/dev/fd/{reading}", yes=True) == 0
    os.close(reading)
    assert there.says() == {"a"}


@pytest.mark.parametrize("to", [None, Path("beside")])
def test_a_gateway_that_was_never_started_may_be_restored_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: Path | None
) -> None:
    for name in ("first", "second"):
        (tmp_path / name / ".xopc").mkdir(parents=True)
    config = '{"agents": {}}'
    (tmp_path / "first" / ".xopc" / "xopc.json").write_text(config)
    first = World(tmp_path, {"HOME": str(tmp_path / "first"), "XOPC_HOME": str(tmp_path / "first")})
    (tmp_path / "backup").write_bytes(first.backup().getvalue())
    monkeypatch.setenv("HOME", str(tmp_path / "second"))
    monkeypatch.setenv("XOPC_HOME", str(tmp_path / "second"))
    place = to and tmp_path / to
    assert restore(str(tmp_path / "backup"), to=place, yes=True) == 0
    state = place or tmp_path / "second" / ".xopc"
    assert (state / "xopc.json").read_text() == config
    assert not journal_path(state).exists()


def test_what_waited_is_sent_again_where_that_is_wanted(
    there: World, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restore(file, yes=True, send_again=True) == 0
    assert "waited to be sent" not in capsys.readouterr().out


def test_a_file_that_is_none_is_told(there: World, tmp_path: Path) -> None:
    with pytest.raises(XopcError, match="There is no file"):
        restore(str(tmp_path / "missing"), yes=True)
    with pytest.raises(XopcError, match="is a folder"):
        restore(str(tmp_path), yes=True)


def test_a_backup_of_a_newer_version_is_refused_and_that_version_named(there: World, file: str) -> None:
    def newer(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        if member.name != MANIFEST:
            return [(member, data)]
        return [(member, json.dumps({**json.loads(data), "version": "9.1", "schema": LATEST_SCHEMA + 1}).encode())]

    Path(file).write_bytes(rewritten(BytesIO(Path(file).read_bytes()), newer).getvalue())
    with pytest.raises(XopcError, match=r"made by xopc 9\.1 .*install xopc 9\.1 or a newer one"):
        restore(file, yes=True)
    assert there.says() == {"b", "a,b"}


def test_a_restore_that_was_killed_is_finished_by_the_next_command(
    there: World, capsys: pytest.CaptureFixture[str]
) -> None:
    state = there.paths.state_dir
    (state / "restoring-x").mkdir()
    (state / "restoring-x" / "models.json").write_text('{"note": "new"}')
    models = str(there.paths.models)
    staged = str(state / "restoring-x" / "models.json")
    exchange = Exchange(models, str(state / "before-restore-x" / "models.json"), staged)
    commit(state, Journal("my.tar.gz", (str(state / "restoring-x"),), (exchange,)))
    find_target(None)
    assert capsys.readouterr().err == "💡 A restore of my.tar.gz had been interrupted. It is finished now.\n"
    assert there.paths.models.read_text() == '{"note": "new"}'
    find_target(None)
    assert capsys.readouterr().err == ""
