"""A draft is weighed, and written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from xopc.cli.onboard.draft import Answers, ModelAnswer
from xopc.cli.onboard.present import Present
from xopc.cli.onboard.wishes import Secret
from xopc.cli.onboard.writing import complete, write
from xopc.contracts.errors import ConfigError, XopcError
from xopc.contracts.settings.file import BindMode

SERVER = Answers(ModelAnswer("mine", "echo", Secret("sk-invented"), "http://127.0.0.1:9/v1"))


def state(home: Path) -> Path:
    (home / ".xopc").mkdir(exist_ok=True)
    return home / ".xopc"


def test_the_first_files_are_private_and_hold_a_token(home: Path, see: Callable[[], Present]) -> None:
    made, resolved = complete(see(), SERVER)
    assert write(see(), made) == []
    config, models = home / ".xopc" / "xopc.json", home / ".xopc" / "models.json"
    assert [path.stat().st_mode & 0o777 for path in (config, models)] == [0o600, 0o600]
    token = json.loads(config.read_text())["gateway"]["auth"]["token"]
    assert len(token) == 48
    assert resolved.auth.secret == token
    assert json.loads(models.read_text())["providers"]["mine"]["baseUrl"] == "http://127.0.0.1:9/v1"
    assert see().model == "mine/echo"


def test_a_token_that_there_is_stays(home: Path, see: Callable[[], Present], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XOPC_GATEWAY_TOKEN", "0123456789abcdef0123456789abcdef")
    made, _ = complete(see(), Answers())
    assert made.config == {}
    write(see(), made)
    assert (home / ".xopc" / "xopc.json").read_text() == "{}\n"
    assert not (home / ".xopc" / "models.json").exists()


def test_what_is_replaced_is_kept_and_lost_comments_are_told(home: Path, see: Callable[[], Present]) -> None:
    before = '{\n  // mine\n  gateway: {auth: {mode: "none"}},\n}\n'
    (state(home) / "xopc.json").write_text(before)
    present = see()
    made, _ = complete(present, SERVER)
    assert write(present, made) == ["xopc.json was written without its comments; they stand in xopc.json.bak."]
    assert (home / ".xopc" / "xopc.json.bak").read_text() == before


def test_what_does_not_differ_is_not_written(home: Path, see: Callable[[], Present]) -> None:
    write(see(), complete(see(), SERVER)[0])
    stamps = [path.stat().st_mtime_ns for path in sorted((home / ".xopc").glob("*.json"))]
    made, _ = complete(see(), SERVER)
    assert made.changes == ()
    write(see(), made)
    assert [path.stat().st_mtime_ns for path in sorted((home / ".xopc").glob("*.json"))] == stamps


def test_what_would_be_refused_at_a_start_is_refused(see: Callable[[], Present]) -> None:
    with pytest.raises(ConfigError, match=r"\$\.gateway\.auth\.token"):
        complete(see(), Answers(token=Secret("short")))
    with pytest.raises(ConfigError, match="customBindHost"):
        complete(see(), Answers(bind=BindMode.CUSTOM))


def test_a_file_of_models_that_would_not_be_read_is_refused(see: Callable[[], Present]) -> None:
    with pytest.raises(ConfigError, match=r"models\.json\n.* is no id"):
        complete(see(), Answers(ModelAnswer("My_Box", "echo", None, "http://127.0.0.1:9/v1")))


def test_a_read_only_file_stays(home: Path, see: Callable[[], Present]) -> None:
    path = state(home) / "xopc.json"
    path.write_text("{}")
    present = see()
    path.chmod(0o400)
    with pytest.raises(XopcError, match=r"is read-only\. Make it writable: chmod"):
        write(present, complete(present, SERVER)[0])
    assert path.read_text() == "{}"


@pytest.mark.parametrize("before", [None, "{}"])
def test_what_somebody_else_has_written_meanwhile_stays(
    home: Path, see: Callable[[], Present], before: str | None
) -> None:
    path = state(home) / "xopc.json"
    if before is not None:
        path.write_text(before)
    present = see()
    path.write_text('{"odd": 1}')
    with pytest.raises(XopcError, match="was written by somebody else"):
        write(present, complete(present, SERVER)[0])
    assert path.read_text() == '{"odd": 1}'
