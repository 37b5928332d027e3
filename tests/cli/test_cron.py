"""`xopc cron`."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cyclopts import CycloptsError

from tests.fakes.scripted_api import Json, serving
from xopc.cli.cron import add, delete, disable, edit, enable, history, list_jobs, run, show
from xopc.cli.main import build_app
from xopc.cli.options import Duration
from xopc.contracts.convert import unstructure
from xopc.contracts.errors import XopcError
from xopc.server.api import cron_examples

JOB: dict[str, Any] = unstructure(cron_examples.JOB)
RUN: dict[str, Any] = unstructure(cron_examples.HISTORY)["history"][0]
SOON = (datetime.now(UTC) + timedelta(hours=3, minutes=30)).isoformat()


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_jobs_are_listed_with_when_they_run_next(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    off = {**JOB, "id": "0ff", "name": None, "enabled": False, "state": {**JOB["state"], "lastRunAtMs": None}}
    with serving(Json({"jobs": [{**JOB, "next_run": SOON}, off]})) as api:
        assert list_jobs() == 0
    head, first, second = lines(capsys)
    assert head.split() == ["ID", "NAME", "SCHEDULE", "NEXT", "RUN", "LAST", "RUN"]
    assert "5f0c1a2b  Morning news  0 9 * * 1-5 (Europe/Berlin)  in 3 h, 20" in first
    assert "success, " in first
    assert second.split()[-2:] == ["off", "-"]
    assert api.asked[0].path == "/api/cron"


def test_no_jobs_are_told_and_how_to_make_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"jobs": []})):
        assert list_jobs() == 0
    assert lines(capsys) == ["No jobs", '💡 Make one: xopc cron add "0 9 * * *" "Good morning"']


def test_one_job_is_shown_with_its_last_error(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = {**JOB["state"], "lastStatus": "failed", "lastError": "The model is gone."}
    with serving(Json({"job": {**JOB, "state": state, "model": "box/large", "scheduleError": "no such zone"}})) as api:
        assert show("5f0c1a2b") == 0
    told = lines(capsys)
    assert told[0] == "5f0c1a2b  Morning news"
    assert "   Text: What is new today?" in told
    assert "   To: telegram, chat 123456, announce" in told
    assert told[-3:] == ["   Model: box/large", "   Error: The model is gone.", "   Schedule error: no such zone"]
    assert api.asked[0].path == "/api/cron/5f0c1a2b"


def test_a_job_is_made_of_a_schedule_and_a_text(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = Json({"id": JOB["id"], "schedule": JOB["schedule"], "status": "ok", "job": {**JOB, "next_run": SOON}}, 201)
    with serving(answer) as api:
        assert add("every 10m", "Look at the mail") == 0
    told = lines(capsys)
    assert told[0] == "✅ Job made: 5f0c1a2b"
    assert told[1].startswith("   Next run: in 3 h, ")
    assert api.asked[0].body == {
        "schedule": {"kind": "every", "everyMs": 600_000},
        "payload": {"kind": "systemEvent", "text": "Look at the mail"},
        "enabled": True,
        "sessionTarget": "main",
    }


def test_all_that_a_job_may_have_can_be_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"id": "1", "schedule": "x", "status": "ok", "job": JOB}, 201)) as api:
        code = add(
            "0 9 * * *",
            "News?",
            name="News",
            timezone="Europe/Berlin",
            channel="telegram",
            chat="7",
            isolated=True,
            model="a/b",
            retries=0,
            timeout=Duration(90),
            disabled=True,
            as_json=True,
        )
    assert code == 0
    assert json.loads(capsys.readouterr().out)["ok"]
    assert api.asked[0].body == {
        "schedule": "0 9 * * *",
        "payload": {"kind": "agentTurn", "message": "News?"},
        "enabled": False,
        "sessionTarget": "isolated",
        "name": "News",
        "timezone": "Europe/Berlin",
        "model": "a/b",
        "maxRetries": 0,
        "timeout": 90_000,
        "delivery": {"mode": "announce", "channel": "telegram", "to": "7"},
    }


def test_a_direct_job_needs_its_chat_and_a_chat_its_channel(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add("0 9 * * *", "Hello", direct=True) == 2
    assert "--direct needs to know where to: --channel and --chat.\nSee: " in capsys.readouterr().err
    assert add("0 9 * * *", "Hello", chat="7") == add("0 9 * * *", "Hello", channel="telegram") == 2
    assert capsys.readouterr().err.count("--channel and --chat belong together") == 2


def test_a_change_of_nothing_is_a_usage_error(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert edit("5f0c1a2b") == 2
    assert "say what to change" in capsys.readouterr().err


def test_a_schedule_that_is_no_span_of_time_is_a_usage_error(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add("every day", "Hello") == 2
    assert "'day' is no span of time" in capsys.readouterr().err
    with serving():
        assert edit("5f0c1a2b", schedule="in a while") == 2


def test_a_job_is_changed_in_what_is_given(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = Json({"job": JOB, "status": "ok"})
    with serving(changed) as api:
        assert edit("5f0c1a2b", schedule="0 10 * * *", name="") == 0
    assert lines(capsys)[:2] == ["✅ Job changed: 5f0c1a2b", "5f0c1a2b  Morning news"]
    assert (api.asked[0].method, api.asked[0].path) == ("PATCH", "/api/cron/5f0c1a2b")
    assert api.asked[0].body == {"schedule": "0 10 * * *", "name": ""}


@pytest.mark.parametrize(("given", "meant"), [("-", "From stdin"), ("- bread", "- bread")])
def test_another_text_may_be_on_standard_input_or_begin_with_a_hyphen(
    home: Path, monkeypatch: pytest.MonkeyPatch, given: str, meant: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"From stdin\n")))
    with serving(Json({"job": JOB}), Json({"job": JOB, "status": "ok"})) as api:
        build_app()(["cron", "edit", "5f0c1a2b", "--text", given], exit_on_error=False, print_error=False)
    assert api.asked[1].body == {"payload": {"kind": "agentTurn", "message": meant}}


def test_a_misspelt_option_is_no_text(home: Path) -> None:
    with serving() as api, pytest.raises(CycloptsError, match="there is no option --nmae"):
        build_app()(["cron", "edit", "5f0c1a2b", "--text", "--nmae"], exit_on_error=False, print_error=False)
    assert api.asked == []


def test_another_text_or_chat_goes_with_what_the_job_has(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    direct = {**JOB["delivery"], "mode": "direct"}
    with serving(Json({"job": {**JOB, "delivery": direct}}), Json({"job": JOB, "status": "ok"})) as api:
        assert edit("5f0c1a2b", text="And now?", chat="8", as_json=True) == 0
    assert api.asked[1].body == {
        "payload": {"kind": "agentTurn", "message": "And now?"},
        "delivery": {"mode": "direct", "channel": "telegram", "to": "8"},
    }


@pytest.mark.parametrize(
    ("options", "account"), [({"chat": "8"}, "work"), ({"channel": "feishu"}, None), ({"account": "home"}, "home")]
)
def test_a_change_of_the_place_keeps_what_belongs_to_it(
    home: Path, options: dict[str, str], account: str | None
) -> None:
    before = {**JOB["delivery"], "accountId": "work", "bestEffort": True}
    with serving(Json({"job": {**JOB, "delivery": before}}), Json({"job": JOB, "status": "ok"})) as api:
        assert edit("5f0c1a2b", **options, as_json=True) == 0  # type: ignore[arg-type]  options of one type
    sent = api.asked[1].body["delivery"]
    assert (sent.get("accountId"), sent["bestEffort"]) == (account, True)


def test_an_account_is_one_of_a_channel(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add("0 9 * * *", "Hello", account="work") == 2
    assert "--account needs to know of which channel" in capsys.readouterr().err
    job = {**JOB, "delivery": {**JOB["delivery"], "accountId": "work"}}
    with serving(Json({"job": job}), Json({"job": job})) as api:
        assert add("0 9 * * *", "Hello", channel="telegram", chat="7", account="work", as_json=True) == 0
        assert show("5f0c1a2b") == 0
    assert api.asked[0].body["delivery"] == {"mode": "announce", "channel": "telegram", "to": "7", "accountId": "work"}
    assert "   To: telegram, account work, chat 123456, announce" in capsys.readouterr().out


def test_jobs_are_enabled_disabled_run_and_deleted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toggled = Json({"toggled": True, "enabled": True})
    with serving(toggled, toggled, Json({"status": "ok", "runId": "1"}), Json({"removed": True})) as api:
        assert enable("5f") == disable("5f") == run("5f") == delete("5f", as_json=True) == 0
    assert [(asked.method, asked.path) for asked in api.asked] == [
        ("POST", "/api/cron/5f/toggle"),
        ("POST", "/api/cron/5f/toggle"),
        ("POST", "/api/cron/5f/run"),
        ("DELETE", "/api/cron/5f"),
    ]
    assert [asked.body for asked in api.asked[:2]] == [{"enabled": True}, {"enabled": False}]
    told = capsys.readouterr().out
    assert told.startswith(
        "✅ Job enabled: 5f\n✅ Job disabled: 5f\n✅ Job runs: 5f\n💡 See how it went: xopc cron history 5f\n"
    )
    assert '"removed": true' in told


def history_of(*runs: dict[str, Any], more: bool = False) -> dict[str, Any]:
    return {"history": runs, "limit": 50, "hasMore": more, "nextCursor": "1" if more else None}


def test_the_history_tells_how_runs_went(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed = {**RUN, "status": "failed", "error": "The model\nis gone.", "retryCount": 3, "duration": None}
    with serving(Json(history_of(failed, RUN, more=True)), Json(history_of())) as api:
        assert history() == 0
        assert history("5f0c1a2b", limit=5) == 0
    head, first, second, more, none = lines(capsys)
    assert more == "There are more. See them with --limit."
    assert head.split() == ["JOB", "STARTED", "STATUS", "TOOK", "RESULT"]
    assert "failed (try 4)" in first
    assert first.endswith("The model is gone.")
    assert "success" in second
    assert "Nothing much: it rains." in second
    assert none == "No runs"
    assert [asked.path for asked in api.asked] == [
        "/api/cron/runs/history?limit=50",
        "/api/cron/5f0c1a2b/history?limit=5",
    ]


@pytest.mark.parametrize("command", [list_jobs, partial(show, "5f"), history], ids=["list", "show", "history"])
def test_as_json_it_is_what_the_gateway_said(
    home: Path, capsys: pytest.CaptureFixture[str], command: Callable[..., int]
) -> None:
    with serving(Json({"jobs": [], "of": "a later version"})):
        assert command(as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"jobs": [], "of": "a later version"}


def test_without_a_gateway_that_is_said(home: Path) -> None:
    with pytest.raises(XopcError, match="Gateway is not running"):
        list_jobs()
