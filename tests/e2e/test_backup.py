"""A backup of a gateway that works, and its return, with the real console script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.e2e.harness import XOPC, Gateway, Reply, until
from tests.e2e.outside import CHAT, Outside, ask
from xopc.service.backup.journal import Exchange, Journal, commit

Start = Callable[..., Gateway]


def xopc(home: Path, *words: str, code: int = 0) -> Any:  # noqa: ANN401 - JSON
    environ = {**os.environ, "XOPC_HOME": str(home), "HOME": str(home)}
    done = subprocess.run(
        [XOPC, *words, "--json"], env=environ, cwd=home, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def say(gateway: Gateway, chat: str, text: str) -> Reply:
    return ask(gateway, text, sessionKey=chat)


def stop(gateway: Gateway) -> None:
    gateway.signal(signal.SIGTERM)
    gateway.wait_until_ended()


def text_of(gateway: Gateway, chat: str) -> list[str]:
    """What was said in the chat with this id."""
    key = f"main:webchat:default:direct:{chat}"
    reply = gateway.request("GET", f"/api/sessions/{key}?limit=500")
    return [message["content"] for message in reply.json["session"]["messages"] if message["role"] == "user"]


def test_a_backup_under_load_refuses_nobody_and_has_all_that_was_answered_before_it(
    gateway: Gateway, home: Path, start: Start, tmp_path: Path
) -> None:
    answered: list[str] = []
    waits: list[float] = []
    is_over = threading.Event()

    def talk(number: int) -> None:
        for turn in range(1000):
            if is_over.is_set():
                return
            began = time.monotonic()
            assert say(gateway, f"chat_{number}", f"{number}-{turn}").status == 200
            waits.append(time.monotonic() - began)
            answered.append(f"{number}-{turn}")

    with ThreadPoolExecutor(4) as pool:
        talkers = [pool.submit(talk, number) for number in range(4)]
        until(lambda: len(answered) > 20, "some are answered")
        before = list(answered)
        told = [xopc(home, "backup") for _ in range(3)]
        until(lambda: len(answered) > len(before) + 20, "others are answered meanwhile")
        is_over.set()
        for talker in talkers:
            talker.result()
    assert max(waits) < 3

    other = tmp_path / "other"
    restored = xopc(home, "restore", told[0]["path"], "--to", str(other / ".xopc"), "--yes")
    assert restored["movedAside"] == []
    second = start(at=other)
    found = [text for number in range(4) for text in text_of(second, f"chat_{number}")]
    assert set(before) <= set(found) <= {*answered, *(f"{n}-{t}" for n in range(4) for t in range(1000))}
    assert len(found) == len(set(found))


def test_what_was_said_since_the_backup_is_moved_aside_with_the_rest(
    gateway: Gateway, home: Path, start: Start
) -> None:
    assert say(gateway, "chat_1", "before").status == 200
    file = xopc(home, "backup")["path"]
    assert say(gateway, "chat_1", "after").status == 200
    refused = xopc(home, "restore", file, "--yes", code=1)
    assert f"The gateway runs (pid {gateway.process.pid})" in refused["error"]
    assert text_of(gateway, "chat_1") == ["before", "after"]
    stop(gateway)
    (aside,) = xopc(home, "restore", file, "--yes")["movedAside"]
    again = start()
    assert text_of(again, "chat_1") == ["before"]
    stop(again)
    aside_file = xopc(home, "restore", xopc(home, "backup")["path"], "--dry-run")
    assert aside_file["obstacle"] is None
    assert (Path(aside) / "xopc.db").exists()


def test_a_start_finishes_a_restore_that_was_killed(gateway: Gateway, home: Path, start: Start) -> None:
    assert say(gateway, "chat_1", "kept").status == 200
    stop(gateway)
    staged = gateway.state / "restoring-x"
    staged.mkdir()
    (gateway.state / "xopc.db").rename(staged / "xopc.db")
    exchange = Exchange(
        str(gateway.state / "xopc.db"), str(gateway.state / "aside" / "xopc.db"), str(staged / "xopc.db")
    )
    commit(gateway.state, Journal("backup.tar.gz", (str(staged),), (exchange,)))
    again = start()
    assert "A restore of backup.tar.gz had been interrupted. It is finished now." in again.text
    assert text_of(again, "chat_1") == ["kept"]


def test_what_waited_to_be_sent_is_not_sent_again_by_a_restored_gateway(
    talking: Gateway, world: Outside, home: Path, start: Start
) -> None:
    world.fault(method="sendMessage", status=429, parameters={"retry_after": 3})
    body = json.dumps({"channel": "telegram", "chatId": str(CHAT), "content": "once only"})
    accepted = talking.request("POST", "/api/message", body=body, headers={"Content-Type": "application/json"})
    assert accepted.status == 200, accepted.body
    file = xopc(home, "backup")["path"]
    assert world.sent() == []
    until(lambda: "once only" in world.sent(), "it is sent")
    stop(talking)
    assert xopc(home, "restore", file, "--yes")["held"]["outbox"] == 1
    again = start()
    dead = again.request("GET", "/api/outbound?state=dead").json["items"]
    assert [(one["content"], one["possibleDuplicate"]) for one in dead] == [("once only", True)]
    assert world.sent().count("once only") == 1
