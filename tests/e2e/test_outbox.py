"""What becomes of messages to chats when the platform, the configuration or the process does not play along."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.harness import TOKEN, Gateway, until
from tests.e2e.outside import CHAT, Listener, Outside
from tests.e2e.test_conversation import send
from tests.e2e.test_messages import records

Start = Callable[..., Gateway]
JSON = {"Content-Type": "application/json"}
OTHER_CHAT = CHAT + 1

pytestmark = pytest.mark.timeout(120)  # processes that start, and pauses that really pass


def shown(gateway: Gateway, message_id: str) -> Any:  # noqa: ANN401 - JSON
    return gateway.request("GET", f"/api/outbound/{message_id}").json


def until_state(gateway: Gateway, message_id: str, state: str) -> Any:  # noqa: ANN401 - JSON
    return until(lambda: found if (found := shown(gateway, message_id))["state"] == state else None, state, 40)


def flood(world: Outside, seconds: float) -> None:
    """Telegram wants the bot to be quiet for so long, once."""
    world.fault(method="sendMessage", status=429, parameters={"retry_after": seconds})


def crash(gateway: Gateway) -> None:
    """Kill the process, and wait until another one serves."""
    before = gateway.boot_id()
    os.kill(gateway.child_pid, signal.SIGKILL)
    until(lambda: gateway.boot_id() not in (None, before), "another process serves", 40)


def test_rows_119_120_what_is_queued_goes_out_when_the_deferred_channel_has_started(
    talking: Gateway, world: Outside, start: Start
) -> None:
    flood(world, 1)
    message_id = send(talking, "queued before")
    until(lambda: shown(talking, message_id)["lastError"], "the first attempt has failed")
    talking.kill()
    world.fault(method="getMe", delay=3)
    gateway = start()
    assert records(gateway, "phase1")[-1]["replayOutboundMs"] is None
    assert world.sent() == [], "the channel is still connecting"
    assert world.until_sent(1) == ["queued before"]
    first, second = until(lambda: found if len(found := records(gateway, "phase2")) == 2 else None, "phase 2") or []
    assert first["replayOutboundMs"] is not None
    assert second["channelPhase2DeferredMs"] >= 2500
    assert isinstance(second["replayOutboundMs"], int)


def test_a_pause_that_telegram_asks_for_outlives_a_crash_and_holds_for_all_chats(
    talking: Gateway, world: Outside
) -> None:
    world.meet(OTHER_CHAT)
    flood(world, 8)
    first = send(talking, "first")
    until(lambda: shown(talking, first)["waitsFor"], "the account is left alone")
    began = time.monotonic()
    crash(talking)
    second = send(talking, "second", OTHER_CHAT)
    assert "429" in until(lambda: shown(talking, second)["waitsFor"], "the account is left alone still")
    assert world.calls("sendMessage") == 1
    until_state(talking, first, "sent")
    until_state(talking, second, "sent")
    assert time.monotonic() - began > 6
    assert world.calls("sendMessage") == 3


def test_after_an_outage_what_is_too_old_is_reported_and_never_sent(
    talking: Gateway, world: Outside, start: Start
) -> None:
    flood(world, 2)
    first = send(talking, "patient")
    until(lambda: shown(talking, first)["lastError"], "the first attempt has failed")
    behind = send(talking, "urgent", ttlSeconds=1)
    talking.kill()
    time.sleep(1)
    gateway = start()
    until_state(gateway, first, "sent")
    dead = until_state(gateway, behind, "dead")
    assert (dead["errorClass"], dead["attempts"]) == ("expired", 0)
    assert gateway.request("POST", f"/api/outbound/{behind}/retry").status == 200
    assert world.until_sent(2) == ["patient", "urgent"], "somebody wants it all the same, and it has its time again"


def test_what_waits_for_a_channel_that_is_switched_off_goes_when_it_is_on_again(
    talking: Gateway, world: Outside
) -> None:
    flood(world, 3)
    message_id = send(talking, "hold on")
    until(lambda: shown(talking, message_id)["waitsFor"], "the account is left alone")
    for is_on in (False, True):
        body = json.dumps({"channels": {"telegram": {"enabled": is_on}}})
        assert talking.request("PATCH", "/api/config", body=body, headers=JSON).status == 200
        if not is_on:
            waiting = until(
                lambda: found if "disabled" in (found := shown(talking, message_id))["lastError"] else None,
                "the channel is off",
            )
            assert waiting is not None
            assert (waiting["state"], waiting["errorClass"]) == ("pending", "transient")
            assert world.sent() == []
    assert world.until_sent(1) == ["hold on"]


def test_a_message_in_flight_at_two_crashes_is_not_sent_a_third_time(talking: Gateway, world: Outside) -> None:
    world.fault(method="sendMessage", delay=60, times=2)
    message_id = send(talking, "poison")
    for count in (1, 2):
        until(lambda n=count: world.calls("sendMessage") == n, "it is being sent", 40)
        crash(talking)
    dead = until_state(talking, message_id, "dead")
    assert (dead["errorClass"], dead["possibleDuplicate"]) == ("unknown", True)
    assert world.calls("sendMessage") == 2


def test_a_message_that_waits_is_taken_back_by_a_command_and_its_failure_is_told_to_nobody(
    talking: Gateway, world: Outside
) -> None:
    listener = Listener(talking, f"?token={TOKEN}&types=message.failed,message.sent")
    until(lambda: "event: connected\n" in listener.heard, "the stream is greeted")
    flood(world, 3)
    first, second = send(talking, "never mind"), send(talking, "this one")
    until(lambda: shown(talking, first)["lastError"], "the first attempt has failed")
    done = talking.xopc("outbox", "cancel", first)
    assert done.returncode == 0, done.stderr
    assert "was taken back" in talking.xopc("outbox", "show", first).stdout
    assert world.until_sent(1) == ["this one"]
    until_state(talking, second, "sent")
    late = talking.xopc("outbox", "cancel", second)
    assert late.returncode == 1
    assert "cannot be taken back" in late.stderr
    until(lambda: second in listener.heard, "the other one is told")
    assert first not in listener.heard
    listener.hang_up()


def test_dead_letters_are_retried_all_at_once_by_a_command(talking: Gateway, world: Outside) -> None:
    world.meet(OTHER_CHAT)
    world.fault(method="sendMessage", status=403, description="Forbidden: bot was blocked by the user", times=2)
    for message_id in (send(talking, "one"), send(talking, "two", OTHER_CHAT)):
        dead = until_state(talking, message_id, "dead")
        assert dead["errorClass"] == "permanent"
    assert "(permanent)" in talking.xopc("outbox", "list", "--channel", "telegram").stdout
    done = talking.xopc("outbox", "retry", "--all", "--channel", "telegram", "--error-class", "permanent")
    assert "sent again: 2" in done.stdout, done.stderr
    assert (world.until_sent(1), world.until_sent(1, chat=OTHER_CHAT)) == (["one"], ["two"])
