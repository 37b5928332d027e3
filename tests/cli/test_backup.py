from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import stat
import sys
from pathlib import Path

import pytest

from tests.service.backup.worlds import World, world
from xopc.cli.backup import backup
from xopc.contracts.errors import XopcError
from xopc.service.backup.reading import verify


@pytest.fixture
def there(home: Path) -> World:
    return world(home)


def made(there: World) -> list[Path]:
    return sorted((there.paths.state_dir / "backups").iterdir())


def test_a_backup_is_private_whole_and_where_it_says(there: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert backup() == 0
    (path,) = made(there)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = capsys.readouterr().out
    assert f"✅ Backup made: ~/.xopc/backups/{path.name} (" in text
    assert "configuration, models, credentials, secrets, service, workspace (1 file, 1 B)" in text
    with path.open("rb") as file:
        verify(file, "it")


def test_as_json_it_tells_what_programs_want_to_know(there: World, capsys: pytest.CaptureFixture[str]) -> None:
    (there.paths.workspace / "link").symlink_to("/etc/passwd")
    assert backup(as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["leftOut"] == [{"path": "workspace/link", "why": "a link"}]
    assert (told["ok"], told["path"], told["bytes"]) == (True, str(made(there)[0]), made(there)[0].stat().st_size)
    assert told["files"] == 8


def test_only_the_newest_are_kept_and_nothing_of_somebody_elses(there: World) -> None:
    folder = there.paths.state_dir / "backups"
    folder.mkdir()
    for name in ("xopc-20260101-000000.tar.gz", "xopc-20260102-000000-10.tar.gz", "xopc-20260102-000000-9.tar.gz"):
        (folder / name).touch()
    (folder / "mine.tar.gz").touch()
    assert backup(keep=2) == 0
    names = [path.name for path in made(there)]
    assert names[:2] == ["mine.tar.gz", "xopc-20260102-000000-10.tar.gz"]
    assert len(names) == 3


def test_two_of_one_second_are_two(there: World) -> None:
    for _ in range(3):
        assert backup() == 0
    assert len(made(there)) == 3


def test_what_a_killed_one_left_is_removed(there: World) -> None:
    folder = there.paths.state_dir / "backups"
    folder.mkdir()
    for name in (".xopc-20260101-000000.tar.gz.unfinished", "database.db", "database.db-journal"):
        (folder / name).touch()
    assert backup() == 0
    assert [path.name[:5] for path in made(there)] == ["xopc-"]


def test_it_may_be_written_elsewhere_and_one_that_fails_leaves_what_was_there(there: World, tmp_path: Path) -> None:
    target = tmp_path / "my backup.tar.gz"
    assert backup(output=str(target), no_workspace=True) == 0
    before = target.read_bytes()
    there.paths.database.write_bytes(b"no database" * 1000)
    with pytest.raises(XopcError, match="damaged"):
        backup(output=str(target))
    assert target.read_bytes() == before
    assert not list(tmp_path.glob(".my*"))


def test_it_may_go_through_a_pipe(there: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert backup(output="-") == 0
    verify(io.BytesIO((tmp_path / "out").read_bytes()), "it")


def test_a_place_that_is_none_is_told(there: World, tmp_path: Path) -> None:
    with pytest.raises(XopcError, match="is a folder"):
        backup(output=str(tmp_path))
    with pytest.raises(XopcError, match="There is no folder"):
        backup(output=str(tmp_path / "missing" / "a.tar.gz"))


def test_options_that_do_not_go_together_are_told(there: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert backup(output="-", as_json=True) == 1
    assert "--json has no place there" in capsys.readouterr().out
    assert backup(output="a.tar.gz", keep=3) == 1
    assert "leave out --output" in capsys.readouterr().err


def test_where_there_is_nothing_no_backup_is_made(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert backup() == 1
    assert "There is nothing to back up" in capsys.readouterr().err


def test_a_disk_that_becomes_full_is_told_and_nothing_is_left_on_it(
    there: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("xopc.cli.backup.LEAST_FREE_BYTES", 2**62)
    (tmp_path / "out").mkdir()
    with pytest.raises(XopcError, match=r"nearly full.*--no-workspace"):
        backup(output=str(tmp_path / "out" / "a.tar.gz"))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_disk_that_is_full_all_at_once_is_told_with_its_cure(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    folder = there.paths.state_dir / "backups"
    with pytest.raises(XopcError, match=f"The disk of {folder} is full.*--output"):
        backup()
    assert list(folder.iterdir()) == []


def test_one_at_a_time(there: World) -> None:
    folder = there.paths.state_dir / "backups"
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with pytest.raises(XopcError, match="Another backup"):
            backup()
    finally:
        os.close(descriptor)


def test_a_configuration_that_does_not_validate_is_backed_up_as_it_is(
    there: World, capsys: pytest.CaptureFixture[str]
) -> None:
    there.paths.config_path.write_text("{")
    there.paths.accepted.unlink()
    assert backup() == 0
    assert "does not validate" in capsys.readouterr().out
