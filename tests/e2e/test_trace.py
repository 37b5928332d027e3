"""A message is followed from its arrival to its delivery, over a crash, with the real console script."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from tests.e2e.harness import Gateway, until
from tests.e2e.outside import Outside

pytestmark = pytest.mark.timeout(120)  # processes that start, and pauses that really pass


def traced(gateway: Gateway, wanted: str) -> Any:  # noqa: ANN401 - JSON
    done = gateway.xopc("logs", "trace", wanted, "--json")
    assert done.returncode == 0, (done.stdout, done.stderr)
    (trace,) = json.loads(done.stdout)["traces"]
    return trace


def test_a_message_that_had_a_hard_way_is_followed_by_each_of_its_ids(talking: Gateway, world: Outside) -> None:
    world.fault(method="sendMessage", status=429, parameters={"retry_after": 1})
    world.write("secret words")
    (answer,) = world.until_sent(1)
    log = until(lambda: next(talking.state.glob("logs/app-*.log"), None), "there is a log")
    assert log is not None
    lines = until(
        lambda: [line for line in log.read_text().splitlines() if "A message was sent." in line], "it is told"
    )
    sent = json.loads((lines or [])[0])
    trace = traced(talking, sent["run"])
    kinds = [step["kind"] for step in trace["steps"]]
    assert kinds == ["accepted", "begun", "model", "ended", "queued", "logged", "sent"]
    assert "retryInSeconds" in trace["steps"][5]["details"]
    assert trace["steps"][6]["details"]["attempts"] == 2
    assert trace["totalMs"] >= 1000
    ids = (sent["messageId"], sent["platformMessageIds"][0], trace["dedupeKey"])
    assert all(traced(talking, one) == trace for one in ids)
    assert answer not in json.dumps(trace)

    talking.signal(signal.SIGTERM)
    talking.wait_until_ended()
    assert traced(talking, sent["run"]) == trace


def test_a_message_that_outlived_its_process_is_followed_over_both(talking: Gateway, world: Outside) -> None:
    world.fault(method="sendMessage", status=429, parameters={"retry_after": 4})
    world.write("hello")
    text = '"A message could not be sent yet."'
    until(lambda: text in talking.text, "the first attempt has failed")
    boot = talking.boot_id()
    os.kill(talking.child_pid, signal.SIGKILL)
    until(lambda: talking.boot_id() not in (None, boot), "another process serves", 40)
    world.until_sent(1)
    run = json.loads(next(line for line in talking.text.splitlines() if text in line))["run"]
    trace = until(
        lambda: found if (found := traced(talking, run))["steps"][-1]["kind"] == "sent" else None, "it is sent"
    )
    assert trace is not None
    assert trace["steps"][1]["details"]["bootId"] == boot


def test_an_id_that_nobody_has_is_told(gateway: Gateway) -> None:
    done = gateway.xopc("logs", "trace", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert "No message has this id" in done.stderr
