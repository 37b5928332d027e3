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
