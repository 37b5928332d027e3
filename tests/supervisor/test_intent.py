import os
import resource
import time
from pathlib import Path

import pytest

from xopc_supervisor.contract import RestartIntent
from xopc_supervisor.intent import consume


def intent(**fields: object) -> RestartIntent:
    now = int(time.time() * 1000)
    return RestartIntent(4711, "boot", "respawn", "update", now)._replace(**fields)  # type: ignore[arg-type]  # real fields


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway-restart-intent.json"


def test_a_fresh_intent_is_read_once(path: Path) -> None:
    path.write_text(intent().to_json())
    wanted = consume(str(path), 4711, "boot")
    assert wanted is not None
    assert (wanted.mode, wanted.reason) == ("respawn", "update")
    assert consume(str(path), 4711, "boot") is None
    assert not path.exists()


def test_without_a_file_there_is_none(path: Path) -> None:
    assert consume(str(path), 4711, "boot") is None


def test_an_intent_for_another_gateway_is_left_to_it(path: Path) -> None:
    path.write_text(intent().to_json())
    assert consume(str(path), 4712, "boot") is None
    assert path.exists()


def test_a_stale_intent_is_removed_and_ignored(path: Path) -> None:
    path.write_text(intent(created_at=int(time.time() * 1000) - 61_000).to_json())
    assert consume(str(path), 4711, "boot") is None
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "{", "null", "x" * 5000])
def test_a_file_that_is_no_intent_is_removed(path: Path, text: str) -> None:
    path.write_text(text)
    assert consume(str(path), 4711, "boot") is None
    assert not path.exists()


def test_an_intent_for_an_earlier_boot_is_not_followed(path: Path) -> None:
    path.write_text(intent(boot_id="earlier").to_json())
    assert consume(str(path), 4711, "boot") is None


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(intent().to_json())
    path.symlink_to(other)
    assert consume(str(path), 4711, "boot") is None
    assert not path.is_symlink()
    assert other.exists()


def test_a_directory_is_left_alone(path: Path) -> None:
    path.mkdir()
    assert consume(str(path), 4711, "boot") is None
    assert path.is_dir()


@pytest.mark.timeout(5)
def test_a_pipe_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    assert consume(str(path), 4711, "boot") is None
    assert not path.exists()


def test_one_that_cannot_be_read_is_told_and_stays(path: Path) -> None:
    path.write_text(intent().to_json())
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_free = os.dup(0)
    os.close(first_free)
    told: list[str] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, limits[1]))
    try:
        assert consume(str(path), 4711, "boot", told.append) is None
        assert consume(str(path), 4711, "boot") is None
        assert consume(str(path.with_name("nothing")), 4711, "boot", told.append) is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert told == [f"The restart intent {path} cannot be read (Too many open files): it is left out."]
    assert consume(str(path), 4711, "boot", told.append) is not None


def test_what_is_no_intent_or_not_there_is_nothing_to_complain_of(path: Path) -> None:
    told: list[str] = []
    consume(str(path), 4711, "boot", told.append)
    path.symlink_to(path.with_name("nowhere"))
    consume(str(path), 4711, "boot", told.append)
    assert told == []
    assert not path.is_symlink()


def test_an_intent_of_more_than_1024_bytes_is_ignored(path: Path) -> None:
    text = intent(reason="x").to_json().rstrip("\n")
    path.write_text(text + " " * (1024 - len(text)))
    assert consume(str(path), 4711, "boot") is not None
    path.write_text(text + " " * (1025 - len(text)))
    assert consume(str(path), 4711, "boot") is None
    assert not path.exists()
