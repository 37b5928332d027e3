"""A changed `xopc.json` takes effect by itself, in the real process, while clients go on."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import TOKEN, Gateway, until, write_config
from tests.e2e.load import Load
from tests.e2e.outside import Listener, Outside, ask
from tests.e2e.test_hand_over import free_port

Start = Callable[..., Gateway]
OTHER = "fedcba9876543210fedcba9876543210"
READER = "an-invented-token-for-a-reader"
EFFECT_SECONDS = 2.0
"""In which an edit is in force: a look every 0.5 s, 0.3 s of debounce, and what a busy machine takes."""


@pytest.fixture(autouse=True)
def patient_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks with a new token until it counts is a guesser, for the door."""
    monkeypatch.setenv("XOPC_AUTH_RATE_LIMIT", "false")


def document(token: str = TOKEN, **gateway: object) -> dict[str, Any]:
    return {"gateway": {"auth": {"token": token}, **gateway}}


def with_reader(token: str) -> dict[str, Any]:
    """The same, with another token that may only read."""
    reader = {"name": "reader", "sha256": sha256(READER.encode()).hexdigest(), "scopes": ["operator.read"]}
    return {"gateway": {"auth": {"token": token, "tokens": [reader]}}}


def edit(home: Path, change: dict[str, Any]) -> None:
    """Change sections of the file, as `vim` does with `backupcopy=no`: the old one is moved away, a new one written."""
    file = home / ".xopc" / "xopc.json"
    whole = {**json.loads(file.read_text()), **change}
    file.rename(file.with_name("xopc.json~"))
    file.write_text(json.dumps(whole))


def status(gateway: Gateway, token: str = TOKEN) -> int:
    return gateway.request("GET", "/api/status", token=token).status


def problems(gateway: Gateway) -> list[str]:
    return gateway.health()["problems"]


def test_a_rotated_token_is_in_force_at_once_while_a_stream_and_everybody_else_go_on(
    talking: Gateway, home: Path
) -> None:
    heard: list[str] = []

    def stream() -> None:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        body = json.dumps({"message": "slow:3"})
        heard.append(talking.request("POST", "/api/agent", body=body, headers=headers).body.decode())

    edit(home, with_reader(TOKEN))
    until(lambda: status(talking, READER) == 200, "the reader's token is in force")
    before = talking.health()
    with_it, events = (Listener(talking, Authorization=f"Bearer {token}") for token in (TOKEN, READER))
    asking = threading.Thread(target=stream)
    asking.start()
    until(lambda: "event: agent.stream" in events.heard, "the turn runs")
    with Load(talking.port, "/health", {}).running() as load:
        began = time.monotonic()
        edit(home, with_reader(OTHER))
        until(lambda: status(talking) == 401, "the old token is refused")
        assert status(talking, OTHER) == 200
        assert time.monotonic() - began < EFFECT_SECONDS
        asking.join(20)
    assert load.failures == []
    assert load.closed_while_idle == 0
    assert "event: result" in heard[0]
    assert "You said: slow:3" in heard[0]
    after = talking.health()
    assert (after["generation"], after["gatewayPid"]) == (before["generation"], before["gatewayPid"])
    until(lambda: "event: config.reload" in events.heard, "the event is told")
    assert "event: shutdown" not in events.heard
    events.hang_up()
    until(lambda: with_it.heard.endswith("\r\n0\r\n\r\n"), "whoever listens with the old token hears no more")
    assert "event: config.reload" not in with_it.heard.partition("event: agent.stream")[2]
    with_it.hang_up()
    last = talking.request("GET", "/api/status", token=OTHER).json["lastReload"]
    assert (last["hot"], last["restart"], last["error"]) == (["gateway.auth.token"], [], None)


@pytest.mark.parametrize("way", ["in place", "mv", "vim", "link"])
def test_however_the_file_is_changed_it_is_noticed(home: Path, start: Start, way: str) -> None:
    file = home / ".xopc" / "xopc.json"
    if way == "link":
        file.rename(home / "real.json")
        file.symlink_to(home / "real.json")
    gateway = start()
    new = json.dumps(document(OTHER))
    match way:
        case "in place":
            with file.open("w") as writer:
                writer.write(new[:20])
                writer.flush()
                time.sleep(0.1)
                writer.write(new[20:])
        case "mv" | "link":
            (home / "new.json").write_text(new)
            (home / "new.json").rename(file if way == "mv" else home / "real.json")
        case _:
            edit(home, document(OTHER))
    until(lambda: status(gateway, OTHER) == 200, "the new token is accepted")
    assert status(gateway) == 401
    assert "The changed configuration is refused" not in gateway.text


def test_a_bad_edit_keeps_what_is_in_force_and_is_told_until_it_is_mended(gateway: Gateway, home: Path) -> None:
    write_config(home, '{"gateway": {"auth": {"token": "short"}}}')
    until(lambda: problems(gateway) == ["configuration"], "the problem is told")
    health = gateway.health()
    assert (health["status"], health["generation"]) == ("healthy", 1)
    assert status(gateway) == 200
    assert "$.gateway.auth.token: gateway auth token is too short" in gateway.text
    write_config(home, document(OTHER))
    until(lambda: status(gateway, OTHER) == 200, "the mended file is in force")
    assert problems(gateway) == []
    assert gateway.text.count("The changed configuration is refused") == 1


def test_a_file_that_is_away_changes_nothing_until_it_is_back(gateway: Gateway, home: Path) -> None:
    file = home / ".xopc" / "xopc.json"
    away = file.rename(home / "away.json")
    until(lambda: problems(gateway) == ["configuration"], "the problem is told")
    assert status(gateway) == 200
    assert not file.exists(), "nobody writes another one"
    away.rename(file)
    until(lambda: problems(gateway) == [], "it is over")
    assert gateway.health()["generation"] == 1


def test_another_port_moves_the_gateway_and_refuses_nobody(home: Path, tmp_path: Path) -> None:
    old, new = free_port(), free_port()
    write_config(home, document(port=old))
    gateway = Gateway(tmp_path).wait_until_ready()
    try:
        before = gateway.health()
        with Load(old, "/health", {}).running() as load:
            time.sleep(0.2)
            edit(home, document(port=new))
            until(lambda: gateway.port == new, "it is at the new port")
            after = until(gateway.boot_id, "it answers there")
        assert after != before["bootId"]
        assert [failure for failure in load.failures if "status" in failure] == []
        restart = gateway.request("GET", "/api/status").json["lastRestart"]
        assert (restart["kind"], restart["reason"]) == ("respawn", "the configuration changed: gateway.port")
    finally:
        gateway.kill()


def test_a_changed_port_that_an_option_outranks_is_told_and_changes_nothing(gateway: Gateway, home: Path) -> None:
    edit(home, document(port=free_port()))
    until(lambda: "Changed without an effect" in gateway.text, "it is told")
    assert (gateway.health()["generation"], problems(gateway)) == (1, [])


def test_in_mode_hot_a_move_waits_for_somebody_to_restart(home: Path, tmp_path: Path) -> None:
    old = free_port()
    write_config(home, document(port=old, reload={"mode": "hot"}))
    gateway = Gateway(tmp_path).wait_until_ready()
    try:
        edit(home, document(OTHER, port=free_port(), reload={"mode": "hot"}))
        until(lambda: problems(gateway) == ["reload"], "it is told")
        assert status(gateway, OTHER) == 200
        time.sleep(2.5)  # the addresses are looked at every 2 s
        assert (gateway.health()["status"], problems(gateway), gateway.port) == ("healthy", ["reload"], old)
        assert "A new process is to take over" not in gateway.text
    finally:
        gateway.kill()


def test_in_mode_restart_an_edit_restarts_in_the_process(home: Path, start: Start) -> None:
    write_config(home, document(reload={"mode": "restart"}))
    gateway = start()
    edit(home, document(OTHER, reload={"mode": "restart"}))
    until(lambda: gateway.health()["generation"] == 2, "the next generation serves")
    restart = gateway.request("GET", "/api/status", token=OTHER).json["lastRestart"]
    assert (restart["kind"], restart["reason"]) == ("in-process", "the configuration changed: gateway.auth.token")


def test_in_mode_off_an_edit_waits_for_sighup(home: Path, start: Start) -> None:
    write_config(home, document(reload={"mode": "off"}))
    gateway = start()
    edit(home, document(OTHER, reload={"mode": "off"}))
    time.sleep(1.5)  # two looks and a debounce
    assert status(gateway) == 200
    os.kill(gateway.child_pid, 1)
    until(lambda: status(gateway, OTHER) == 200, "the new token is accepted")
    assert gateway.health()["generation"] == 1


@pytest.mark.timeout(120)  # waits for a model that takes its time
def test_another_model_and_another_prompt_are_for_turns_that_begin_later(
    talking: Gateway, world: Outside, home: Path
) -> None:
    world.write("slow:3")
    until(world.asked, "the model is asked")
    agent = {"id": "main", "systemPromptOverride": "You are a parrot."}
    edit(home, {"agents": {"defaults": {"model": "fake/echo"}, "list": [agent]}})
    until(lambda: "The configuration was read again." in talking.text, "the file is read")
    assert ask(talking, "Polly?").json["reply"] == "You said: Polly?"
    assert world.asked()[-1][0]["content"] == "You are a parrot."
    assert world.until_sent(1) == ["You said: slow:3"]
    assert talking.health()["generation"] == 1


@pytest.mark.timeout(120)  # messages come the whole time
def test_a_channel_that_is_started_anew_loses_no_message_and_says_none_twice(
    talking: Gateway, world: Outside, home: Path
) -> None:
    telegram = json.loads((home / ".xopc" / "xopc.json").read_text())["channels"]["telegram"]
    texts = [f"message {number}" for number in range(30)]
    for number, text in enumerate(texts):
        if number % 10 == 5:
            edit(home, {"channels": {"telegram": {**telegram, "textChunkLimit": 1000 + number}}})
        world.write(text)
        time.sleep(0.1)
    assert sorted(world.until_sent(len(texts), seconds=40)) == sorted(f"You said: {text}" for text in texts)
    until(lambda: talking.text.count("The configuration was read again.") >= 1, "the file was read")
    assert len(world.sent()) == len(texts)
    assert talking.health()["generation"] == 1
