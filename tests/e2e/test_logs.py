"""The log over the API, of real processes."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.e2e.harness import TOKEN, Gateway, Reply, until
from tests.e2e.outside import Listener

Start = Callable[..., Gateway]


def logs(gateway: Gateway, query: str = "") -> Any:  # noqa: ANN401 - JSON
    reply = gateway.request("GET", f"/api/logs{query}")
    assert reply.status == 200, reply.body
    return reply.json


def messages(page: Any) -> list[str]:  # noqa: ANN401 - JSON
    return [line["message"] for line in page["logs"]]


def set_level(gateway: Gateway, **change: object) -> Reply:
    headers = {"Content-Type": "application/json"}
    return gateway.request("POST", "/api/logs/level", body=json.dumps(change), headers=headers)


def write_days(home: Path, *, lines: int) -> None:
    """Log files of the two days before today, with numbered lines."""
    directory = home / ".xopc" / "logs"
    directory.mkdir(parents=True)
    for day in (2, 1):
        at = datetime.now(UTC).astimezone() - timedelta(days=day)
        stamp = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with (directory / f"app-{at.date().isoformat()}.log").open("w") as file:
            for number in range(lines):
                fields = {"timestamp": stamp, "level": "info", "message": f"{day} days ago: {number}", "module": "old"}
                file.write(json.dumps(fields) + "\n")


def test_row_156_the_log_is_queried_with_a_credential_alone(gateway: Gateway) -> None:
    for path in ("", "/files", "/stats", "/levels", "/modules", "/dir", "/level", "/stream"):
        refused = gateway.request("GET", f"/api/logs{path}", token=None)
        assert (refused.status, refused.json["error"]["code"]) == (401, "UNAUTHORIZED")
    page = logs(gateway)
    assert "The gateway is ready." in messages(page)
    assert page["count"] == page["total"] == len(page["logs"])
    assert all({"timestamp", "level", "message", "module"} <= set(line) for line in page["logs"])
    stamps = [line["timestamp"] for line in page["logs"] if line["module"] == "xopc.gateway"]
    assert stamps == sorted(stamps, reverse=True)
    assert TOKEN not in json.dumps(page)
    assert gateway.request("GET", "/api/logs/dir").json == {"dir": "~/.xopc/logs"}
    (file,) = gateway.request("GET", "/api/logs/files").json["files"]
    assert (gateway.state / "logs" / file["name"]).stat().st_size >= file["size"] > 0
    assert gateway.request("GET", "/api/logs/stats").json["lines"] >= page["count"]
    assert "xopc.gateway" in gateway.request("GET", "/api/logs/modules").json["modules"]


def test_row_156_a_bad_query_is_refused_by_its_name(gateway: Gateway) -> None:
    for query, name in (
        ("level=loud", "?level"),
        ("from=yesterday", "?from"),
        ("limit=0", "?limit"),
        ("cursor=..%2F..", "?cursor"),
    ):
        refused = gateway.request("GET", f"/api/logs?{query}")
        assert (refused.status, refused.json["error"]["code"]) == (400, "INVALID_REQUEST")
        assert refused.json["error"]["message"].startswith(f"{name}: ")


def test_pages_go_over_midnight_while_lines_are_written(home: Path, start: Start) -> None:
    write_days(home, lines=30)
    gateway = start()
    first = page = logs(gateway, "?limit=7")
    assert first["hasMore"]
    listed = messages(first)
    while page["nextCursor"]:
        assert set_level(gateway, level="info").status == 200
        page = logs(gateway, f"?limit=7&cursor={page['nextCursor']}")
        listed += messages(page)
    assert len(listed) == first["total"]
    assert listed[-60:] == [f"{day} days ago: {number}" for day in (1, 2) for number in range(29, -1, -1)]
    yesterday = (datetime.now(UTC) - timedelta(days=1, minutes=5)).isoformat().replace("+00:00", "Z")
    recent = messages(logs(gateway, f"?from={yesterday}&module=old"))
    assert recent == [f"1 days ago: {number}" for number in range(29, -1, -1)]


def test_the_level_is_changed_until_the_process_ends(gateway: Gateway) -> None:
    assert gateway.request("GET", "/api/logs/level").json == {"level": "info", "configured": "info", "until": None}
    assert set_level(gateway, level="loud").status == 400
    assert set_level(gateway, level="error", duration=60).json["level"] == "error"
    gateway.signal(signal.SIGUSR1)
    until(lambda: gateway.health()["generation"] == 2, "it restarted in its process")
    assert gateway.request("GET", "/api/logs/level").json["level"] == "error"
    assert messages(logs(gateway, "?module=xopc.log"))[0] == "The level of the log is error now for 60 minutes."
    assert "Restarted." not in messages(logs(gateway))
    before = gateway.boot_id()
    assert gateway.xopc("gateway", "restart", "--respawn", "--wait", "30s").returncode == 0
    assert gateway.boot_id() != before
    assert gateway.request("GET", "/api/logs/level").json["level"] == "info"
    until(lambda: "The gateway is ready." in messages(logs(gateway, "?limit=3")), "the new process logs as ever")


def test_new_lines_are_streamed_until_the_gateway_goes_and_nothing_is_missed_after_it(gateway: Gateway) -> None:
    listener = Listener(gateway, f"?token={TOKEN}&module=xopc", path="/api/logs/stream")
    until(lambda: "event: connected\n" in listener.heard, "the stream is greeted")
    set_level(gateway, level="debug")
    until(lambda: "The level of the log is debug now." in listener.heard, "the line comes")
    last_id = [line for line in listener.heard.splitlines() if line.startswith("id: ")][-1].removeprefix("id: ")
    gateway.signal(signal.SIGUSR1)
    listener.join(10)
    assert 'event: shutdown\ndata: {"reason":"restarting"' in listener.heard

    until(lambda: gateway.health()["generation"] == 2, "it restarted")
    back = Listener(gateway, f"?token={TOKEN}&lastEventId={last_id}", path="/api/logs/stream")
    until(lambda: '"message":"Restarting in this process."' in back.heard, "what was missed comes")
    until(lambda: '"message":"Restarted."' in back.heard, "and what came after it")
    assert "event: resync\n" not in back.heard
    gateway.signal(signal.SIGTERM)
    back.join(10)
    assert 'event: shutdown\ndata: {"reason":"stopping"' in back.heard
    assert gateway.wait_until_ended() == 0


def test_a_large_log_holds_nobody_up(home: Path, start: Start) -> None:
    write_days(home, lines=150_000)
    gateway = start()
    asked: list[Reply] = []
    threads = [
        threading.Thread(target=lambda: asked.append(gateway.request("GET", "/api/logs?q=nothing+like+it")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert gateway.health()["status"] == "healthy"
    for reply in asked:
        assert (reply.json["logs"], reply.json["total"], reply.json["hasMore"]) == ([], None, True)
