"""`xopc outbox`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gateway import TOKEN
from tests.fakes.scripted_api import Json, serving
from xopc.cli.outbox import cancel, delete, list_messages, retry, show
from xopc.client.http import RefusedError
from xopc.contracts.errors import XopcError
from xopc.contracts.messages import ErrorClass, OutboxState

THEN = (datetime.now(UTC) - timedelta(seconds=7300)).isoformat()


def letter(**more: object) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "channel": "telegram",
        "accountId": "default",
        "chatId": "-100123",
        "threadId": None,
        "content": "Lunch\nat noon?",
        "state": "dead",
        "createdAt": THEN,
        "expiresAt": None,
        "settledAt": THEN,
        "attempts": 8,
        "nextAttemptAt": None,
        "waitsFor": None,
        "partsSent": 0,
        "platformMessageIds": [],
        "lastError": "Bad Request: chat not found",
        "errorClass": "permanent",
        "possibleDuplicate": False,
        **more,
    }


def page(*items: dict[str, Any], cursor: str | None = None) -> Json:
    return Json({"items": items, "limit": 50, "hasMore": cursor is not None, "nextCursor": cursor})


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_dead_letters_are_listed_with_their_errors(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page(letter())) as api:
        assert list_messages() == 0
    assert lines(capsys) == [
        "msg_1  2 h ago, 8 attempts",
        "   To: telegram, account default, chat -100123",
        "   Text: Lunch at noon?",
        "   Error: Bad Request: chat not found (permanent)",
        "💡 Try one again: xopc outbox retry ID",
    ]
    assert api.asked[0].path == "/api/outbound?state=dead&limit=50"
    assert api.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_those_of_another_state_are_listed_with_what_is_known(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pending = letter(
        state="pending",
        attempts=1,
        lastError=None,
        errorClass=None,
        threadId="42",
        possibleDuplicate=True,
        waitsFor="flood",
    )
    with serving(page(pending, cursor="7")) as api:
        assert list_messages(state=(OutboxState.PENDING,), limit=1) == 0
    assert lines(capsys) == [
        "msg_1  2 h ago, 1 attempt",
        "   To: telegram, account default, chat -100123, thread 42",
        "   Text: Lunch at noon?",
        "   Its account waits: flood",
        "   It may have arrived: the gateway or a connection ended while it was being sent.",
        "There are more. See them with --limit.",
    ]
    assert api.asked[0].path == "/api/outbound?state=pending&limit=1"


def test_a_selection_is_read_on_until_there_is_enough_of_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pages = page(letter(), cursor="900"), page(cursor="700"), page(letter(id="msg_2"), cursor="500")
    with serving(*pages) as api:
        assert (
            list_messages(
                state=(OutboxState.DEAD, OutboxState.CANCELLED),
                channel="telegram",
                account="work",
                chat="-100",
                error_class=ErrorClass.EXPIRED,
                limit=2,
                as_json=True,
            )
            == 0
        )
    body = json.loads(capsys.readouterr().out)
    assert [item["id"] for item in body["items"]] == ["msg_1", "msg_2"]
    assert (body["limit"], body["hasMore"], body["nextCursor"]) == (2, True, "500")
    query = "state=dead%2Ccancelled&channel=telegram&accountId=work&chat_id=-100&errorClass=expired"
    assert [asked.path for asked in api.asked] == [
        f"/api/outbound?{query}&limit=2",
        f"/api/outbound?{query}&limit=1&cursor=900",
        f"/api/outbound?{query}&limit=1&cursor=700",
    ]


def test_all_of_a_message_is_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json(letter(content="Lunch\nat noon?\x1b[31m")), Json(letter())) as api:
        assert show("msg_1") == 0
        told = lines(capsys)
        assert show("msg_1", as_json=True) == 0
    assert told[:3] == ["msg_1", "State: dead: it was given up", "To: telegram, account default, chat -100123"]
    assert "Error: Bad Request: chat not found (permanent)" in told
    assert told[-3:] == ["", "Lunch", "at noon?�[31m"]
    assert json.loads(capsys.readouterr().out)["id"] == "msg_1"
    assert api.asked[0].path == "/api/outbound/msg_1"


def test_an_error_of_a_platform_is_one_short_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page(letter(lastError="\x1b[31m" + "x" * 1000))):
        list_messages()
    error = lines(capsys)[3]
    assert error.startswith("   Error: �[31mxxx")
    assert len(error) < 230


def test_nothing_to_list_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page()):
        assert list_messages() == 0
    assert lines(capsys) == ["No dead messages"]


def test_as_json_it_is_what_the_gateway_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page(letter())):
        assert list_messages(as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["items"][0]["id"] == "msg_1"


def test_a_dead_letter_is_tried_again(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"retried": True}), Json({"retried": True})) as api:
        assert retry("msg_1") == 0
        assert lines(capsys) == ["✅ Message is sent again: msg_1"]
        assert retry("msg_1", as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "retried": True}
    assert (api.asked[0].method, api.asked[0].path) == ("POST", "/api/outbound/msg_1/retry")


def test_a_dead_letter_is_deleted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = Json({"cancelled": False, "deleted": True})
    with serving(Json(letter()), done, Json(letter()), done) as api:
        assert delete("msg/1") == 0
        assert lines(capsys) == ["✅ Message deleted: msg/1"]
        assert delete("msg_1", as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "cancelled": False, "deleted": True}
    assert [(asked.method, asked.path) for asked in api.asked] == [
        ("GET", "/api/outbound/msg%2F1"),
        ("DELETE", "/api/outbound/msg%2F1"),
        ("GET", "/api/outbound/msg_1"),
        ("DELETE", "/api/outbound/msg_1"),
    ]


def test_a_message_that_waits_is_taken_back(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json(letter(state="pending")), Json({"cancelled": True, "deleted": False})) as api:
        assert cancel("msg_1") == 0
    assert lines(capsys) == ["✅ Message is not sent: msg_1"]
    assert [asked.method for asked in api.asked] == ["GET", "DELETE"]


def test_a_message_that_is_given_up_meanwhile_is_told_to_be_gone(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Json(letter(state="pending")), Json({"cancelled": False, "deleted": True})):
        assert cancel("msg_1") == 0
    assert lines(capsys) == ["✅ Message deleted: msg_1"]


def test_a_dead_letter_is_not_cancelled_and_what_waits_is_not_deleted(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Json(letter()), Json(letter(state="pending"))) as api:
        assert cancel("msg_1") == 1
        assert delete("msg_1") == 1
    told = capsys.readouterr().err
    assert "xopc outbox delete msg_1" in told
    assert "xopc outbox cancel msg_1" in told
    assert {asked.method for asked in api.asked} == {"GET"}


def test_all_dead_letters_or_a_selection_are_decided_about(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"retried": 12}), Json({"deleted": 3}), Json({"deleted": 3})) as api:
        assert retry(every=True, channel="telegram") == 0
        assert delete(every=True, error_class=ErrorClass.PERMANENT, yes=True) == 0
        assert lines(capsys) == ["✅ Messages that are sent again: 12", "✅ Messages deleted: 3"]
        assert delete(every=True, yes=True, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "deleted": 3}
    assert [(asked.path, asked.body) for asked in api.asked] == [
        ("/api/dead-letters/retry", {"channel": "telegram"}),
        ("/api/dead-letters/delete", {"errorClass": "permanent"}),
        ("/api/dead-letters/delete", {}),
    ]


def test_without_yes_all_dead_letters_are_only_counted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page(letter()), page(*[letter()] * 500, cursor="7"), page(), page()) as api:
        assert delete(every=True, channel="telegram") == 0
        assert delete(every=True) == 0
        assert delete(every=True) == 0
        assert lines(capsys) == [
            "1 dead letter would be deleted. To do it, add --yes.",
            "500 or more dead letters would be deleted. To do it, add --yes.",
            "0 dead letters would be deleted.",
        ]
        assert delete(every=True, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "dryRun": True, "count": 0, "hasMore": False}
    assert api.asked[0].path == "/api/outbound?state=dead&channel=telegram&limit=500"
    assert {asked.method for asked in api.asked} == {"GET"}


@pytest.mark.parametrize("command", [retry, delete])
def test_one_message_or_all_must_be_named(
    home: Path, capsys: pytest.CaptureFixture[str], command: Callable[..., int]
) -> None:
    with serving() as api:
        assert command() == 1
        assert command("msg_1", every=True) == 1
        assert command("msg_1", channel="telegram") == 1
        assert command(channel="telegram", as_json=True) == 1
    assert "--all" in capsys.readouterr().err
    assert api.asked == []


def test_what_is_not_dead_is_told(home: Path) -> None:
    missing = Json({"error": {"code": "NOT_FOUND", "message": "There is no dead letter with this id."}}, 404)
    with serving(missing), pytest.raises(RefusedError, match="There is no dead letter"):
        retry("msg_2")


def test_without_a_gateway_that_is_said(home: Path) -> None:
    with pytest.raises(XopcError, match="Gateway is not running"):
        list_messages()
