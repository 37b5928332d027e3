"""`xopc channels remove`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gateway import TOKEN
from xopc.cli.channels.removing import remove
from xopc.contracts.errors import XopcError

OWN = {"botToken": "1:an-invented-token", "enabled": True, "name": "Desk"}
COMMON = {"dmPolicy": "allowlist", "allowFrom": ["7"]}
WORK = {"botToken": "2:an-invented-token", "allowFrom": ["8"]}


@pytest.fixture
def configured(home: Path) -> Callable[..., Path]:
    """Writes what is set for Telegram before."""

    def configured(**telegram: Any) -> Path:  # noqa: ANN401 - JSON
        path = home / ".xopc" / "xopc.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"gateway": {"auth": {"token": TOKEN}}, "channels": {"telegram": telegram}}))
        return path

    return configured


def telegram_in(path: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(path.read_text())["channels"]["telegram"]


def test_a_bot_goes_and_who_may_write_to_one_stays(
    configured: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = configured(**OWN, **COMMON)
    assert remove("telegram", yes=True) == 0
    assert telegram_in(path) == COMMON
    said = capsys.readouterr().out
    assert said == "✅ telegram:default is taken out, and its token is no longer in ~/.xopc/xopc.json\n"


def test_one_of_several_goes_with_all_that_was_its_own(configured: Callable[..., Path]) -> None:
    path = configured(**OWN, **COMMON, accounts={"work": WORK})
    remove("telegram", account="work", yes=True)
    assert telegram_in(path) == {**OWN, **COMMON, "accounts": {}}


def test_the_first_goes_and_the_others_stay(configured: Callable[..., Path]) -> None:
    path = configured(**OWN, **COMMON, accounts={"default": {"allowFrom": ["9"]}, "work": WORK})
    remove("telegram", yes=True)
    assert telegram_in(path) == {**COMMON, "accounts": {"work": WORK}}


def test_where_telegram_is_switched_off_it_stays_so_for_the_others(configured: Callable[..., Path]) -> None:
    path = configured(**(OWN | {"enabled": False}), accounts={"work": WORK})
    remove("telegram", yes=True)
    assert telegram_in(path) == {"enabled": False, "accounts": {"work": WORK}}


def test_nobody_who_was_not_asked_loses_a_bot(configured: Callable[..., Path]) -> None:
    path = configured(**OWN)
    with pytest.raises(XopcError, match="telegram:default stays: to take it out without a question, add --yes"):
        remove("telegram")
    with pytest.raises(XopcError, match="--yes"):
        remove("telegram", as_json=True)
    assert telegram_in(path) == OWN


def test_one_that_there_is_not_is_told_with_those_that_there_are(configured: Callable[..., Path]) -> None:
    configured(**OWN, accounts={"work": WORK})
    with pytest.raises(XopcError, match=r"There is no telegram:home\. There is: telegram:default, telegram:work\."):
        remove("telegram", account="home", yes=True)


def test_without_any_bot_that_is_told(configured: Callable[..., Path]) -> None:
    configured(**COMMON)
    with pytest.raises(XopcError, match=r"There is no telegram:default\. There is no bot at all\."):
        remove("telegram", yes=True)


def test_as_json_it_is_told_what_changed(configured: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = configured(**OWN)
    assert remove("telegram", yes=True, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"ok": True, "changed": True, "path": str(path), "warnings": [], "account": "default"}
