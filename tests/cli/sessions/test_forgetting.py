from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.sessions.bodies import KEY
from tests.fakes.scripted_api import Json, serving
from xopc.cli.sessions.forgetting import delete, forget, prune


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def traces(*, dry_run: bool) -> dict[str, Any]:
    return {
        "dryRun": dry_run,
        "people": ["telegram:1"],
        "sessions": ["main:telegram:default:dm:1"],
        "sharedSessions": ["main:telegram:default:group:-5"],
        "messages": 42,
        "redactedMessages": 6,
        "inbox": 1,
        "outbox": 2,
        "dedupeKeys": 9,
        "abortedRuns": 0,
    }


def test_a_session_is_deleted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"deleted": True}), Json({"deleted": True})) as api:
        assert delete(KEY) == 0
        assert lines(capsys) == [f"✅ Session deleted: {KEY}"]
        assert delete(KEY, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "deleted": True}
    assert api.asked[0].method == "DELETE"


def test_a_prune_without_yes_only_tells(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"dryRun": True, "count": 30, "keys": [f"k{n}" for n in range(30)]})) as api:
        assert prune(unused_days=1.5, channel="telegram") == 0
    told = lines(capsys)
    assert told[:2] == ["      k0", "      k1"]
    assert told[-2:] == ["      … and 10 more", "30 sessions would be forgotten. To do it, add --yes."]
    assert api.asked[0].body == {"unusedForMs": 129_600_000, "channel": "telegram", "dryRun": True}


def test_where_there_is_nothing_to_prune_nothing_is_to_be_said_yes_to(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Json({"dryRun": True, "count": 0, "keys": []})):
        assert prune(unused_days=30) == 0
    assert lines(capsys) == ["0 sessions would be forgotten."]


def test_a_prune_with_yes_forgets(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = {"dryRun": False, "count": 1, "keys": ["k"]}
    with serving(Json(answer), Json(answer)) as api:
        assert prune(keep_newest=5, agent_id="main", yes=True) == 0
        assert lines(capsys) == ["      k", "✅ 1 session forgotten"]
        assert prune(keep_newest=5, yes=True, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, **answer}
    assert api.asked[0].body == {"keepNewest": 5, "agentId": "main", "dryRun": False}


def test_a_prune_of_everything_is_not_asked_for_by_saying_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prune(yes=True) == 1
    assert "--unused-days 30" in capsys.readouterr().err


def test_what_a_person_has_left_is_told_first(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json(traces(dry_run=True))) as api:
        assert forget("robin") == 0
    assert lines(capsys) == [
        "telegram:1 has left this:",
        "  1 session as a whole, with 42 messages",
        "      main:telegram:default:dm:1",
        "  6 messages redacted in 1 session that others share",
        "      main:telegram:default:group:-5",
        "  1 message of the inbox",
        "  2 messages of the outbox",
        "  9 keys by which a message that comes again is known",
        "Nothing was changed. To forget all of it: xopc sessions forget robin --yes",
    ]
    assert api.asked[0].body == {"person": "robin", "dryRun": True}


def test_of_somebody_who_has_left_nothing_that_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = ("messages", "redactedMessages", "inbox", "outbox", "dedupeKeys")
    nothing: dict[str, Any] = {
        **traces(dry_run=False),
        "sessions": [],
        "sharedSessions": [],
        **dict.fromkeys(counts, 0),
    }
    with serving(Json(nothing)):
        assert forget("telegram:1", yes=True) == 0
    assert lines(capsys) == ["Nothing of telegram:1 was found"]


def test_a_person_is_forgotten(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json(traces(dry_run=False)), Json(traces(dry_run=False))) as api:
        assert forget("telegram:1", yes=True) == 0
        told = lines(capsys)
        assert told[0] == "Of telegram:1 this was forgotten:"
        assert told[-1] == "✅ Forgotten. What stays, such as the log: docs/how-to/forget-a-person.md"
        assert forget("telegram:1", yes=True, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, **traces(dry_run=False)}
    assert api.asked[0].body["dryRun"] is False
