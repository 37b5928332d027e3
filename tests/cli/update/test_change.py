"""What is weighed before and after a switch; the whole of it is in tests/e2e/test_update.py."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

import xopc
from tests.fakes.environments import make_environment
from xopc.cli.gateway.target import find_target
from xopc.cli.update.change import Change, copies
from xopc.cli.update.hand_over import End
from xopc.contracts.errors import Failure, XopcError
from xopc.service.installations.versions import Environment, Installations, Pending, read_environment
from xopc.storage.migrate import MIGRATIONS, prepare

ANSWER = '{"schema": %d, "found": %s, "configuration": %s, "database": %s}'


@pytest.fixture
def installed(tmp_path: Path) -> Installations:
    installed = Installations(tmp_path / "xopc")
    installed.use(environment(installed, "1.0").path)
    return installed


@pytest.fixture
def source(installed: Installations) -> Environment:
    current = installed.current()
    assert current is not None
    return current


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def change(installed: Installations, told: list[str]) -> Change:
    return Change(find_target(None), installed, 5, told.append)


def environment(
    installed: Installations, version: str, *, refuses: str = "null", schema: int = 1, database: str = "null"
) -> Environment:
    """A version that serves when it is tried, and answers a trial as it is told to."""
    answer = ANSWER % (schema, "1" if database == "null" else "null", refuses, database)
    # Tried as a gateway, the sources serve: as the version that they are.
    python = f"""case "$*" in *xopc.gateway.trial) echo '{answer}' ;; *) exec {sys.executable} "$@" ;; esac"""
    path = make_environment(installed.versions / version, installed.root, version, python=python)
    found = read_environment(path)
    assert found is not None
    return found


def test_without_a_gateway_the_next_start_is_of_the_new_version(
    change: Change, installed: Installations, source: Environment
) -> None:
    to = environment(installed, xopc.__version__)
    assert change.make(source, to, "an update").end is End.NOT_RUNNING
    assert (installed.current(), installed.previous()) == (to, source)
    assert (installed.pending(), change.copy) == (None, None)


def test_a_configuration_that_only_the_new_version_refuses_keeps_the_old_one(
    change: Change, installed: Installations, source: Environment
) -> None:
    to = environment(installed, xopc.__version__, refuses='"$.gateway.port: why"')
    with pytest.raises(XopcError, match=r"refuses this configuration: \$\.gateway\.port: why") as error:
        change.make(source, to, "an update")
    assert error.value.failure is Failure.BAD_CONFIG
    assert installed.current() == source


def test_a_configuration_that_neither_reads_here_is_left_to_the_gateway_that_has_another_environment(
    installed: Installations, change: Change, told: list[str]
) -> None:
    installed.use(environment(installed, "0.9", refuses='"$.x: why"').path)
    source = installed.current()
    assert source is not None
    to = environment(installed, xopc.__version__, refuses='"$.x: why"')
    assert change.make(source, to, "an update").end is End.NOT_RUNNING
    assert "⚠️  The configuration does not validate here: $.x: why" in told


def test_a_database_that_the_other_version_does_not_know_keeps_the_one_in_use(
    change: Change, installed: Installations, source: Environment
) -> None:
    to = environment(installed, xopc.__version__, database='"schema 9 is unknown"')
    with pytest.raises(XopcError, match="cannot go on with this database: schema 9 is unknown") as error:
        change.make(source, to, "xopc update --rollback")
    assert error.value.failure is Failure.CONFLICT
    assert installed.current() == source


def test_before_a_newer_schema_the_database_is_copied_and_two_copies_stay(
    change: Change, installed: Installations, source: Environment, told: list[str]
) -> None:
    paths = change.target.paths
    paths.state_dir.mkdir()
    prepare(paths.database, MIGRATIONS[:1])
    assert change.told_copy() == ""
    (paths.state_dir / "backups").mkdir()
    for number in range(3):
        (paths.state_dir / "backups" / f"xopc-before-0.{number}-then.db").touch()
        time.sleep(0.02)
    to = environment(installed, xopc.__version__, schema=2)
    change.make(source, to, "an update")
    assert change.copy is not None
    assert copies(paths)[0] == change.copy
    assert [path.name for path in copies(paths)[1:]] == ["xopc-before-0.2-then.db"]
    assert str(change.copy) in change.told_copy()
    assert any(str(change.copy) in line for line in told)


def test_a_copy_that_was_cut_off_is_none_and_gives_way_to_the_next(
    change: Change, installed: Installations, source: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = change.target.paths
    paths.state_dir.mkdir()
    prepare(paths.database, MIGRATIONS[:1])
    to = environment(installed, xopc.__version__, schema=2)

    def killed(database: Path, target: Path) -> int:
        target.write_bytes(b"half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("xopc.cli.update.change.copy_database", killed)
        with pytest.raises(KeyboardInterrupt):
            change.make(source, to, "an update")
    assert (copies(paths), change.told_copy()) == ([], "")
    change.make(source, to, "an update")
    assert list((paths.state_dir / "backups").iterdir()) == copies(paths) == [change.copy]


def test_an_update_that_was_cut_off_before_the_switch_has_changed_nothing(
    change: Change, installed: Installations, source: Environment
) -> None:
    pending = Pending(source.path, environment(installed, xopc.__version__).path)
    installed.begin(pending)
    assert change.resume(pending) is None
    assert (installed.current(), installed.pending()) == (source, None)


def test_an_update_that_was_cut_off_after_the_switch_is_brought_to_its_end(
    change: Change, installed: Installations, source: Environment
) -> None:
    to = environment(installed, xopc.__version__)
    pending = Pending(source.path, to.path)
    installed.begin(pending)
    installed.use(to.path)
    handed = change.resume(pending)
    assert handed is not None
    assert handed.end is End.NOT_RUNNING
    assert (installed.current(), installed.previous(), installed.pending()) == (to, source, None)


def test_a_version_that_is_gone_gives_way_to_the_one_before(
    change: Change, installed: Installations, source: Environment, tmp_path: Path
) -> None:
    pending = Pending(source.path, tmp_path / "gone")
    installed.use(pending.target)
    assert change.resume(pending) is None
    assert installed.current() == source


def test_an_update_that_was_cut_off_can_be_gone_back_from(
    change: Change, installed: Installations, source: Environment
) -> None:
    to = environment(installed, xopc.__version__)
    for in_use, previous in ((source, None), (to, source)):
        installed.use(in_use.path)
        installed.begin(Pending(source.path, to.path))
        change.abandon()
        assert (installed.current(), installed.previous(), installed.pending()) == (in_use, previous, None)
