"""`GET /metrics` of a gateway that works, read as Prometheus reads it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.harness import Gateway, until
from tests.e2e.outside import CHAT, Outside, ask

Start = Callable[..., Gateway]


def metrics(gateway: Gateway) -> dict[str, float]:
    """Each sample, by its name and the values of its labels."""
    reply = gateway.request("GET", "/metrics")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return {
        " ".join([sample.name, *(value for _, value in sorted(sample.labels.items()))]): sample.value
        for family in text_string_to_metric_families(reply.body.decode())
        for sample in family.samples
    }


def test_a_conversation_is_counted_to_its_delivery(talking: Gateway, world: Outside) -> None:
    world.write("hello")
    world.until_sent(1)
    found = until(lambda: told if (told := metrics(talking)).get("xopc_deliveries_total telegram sent") else None, "it")
    assert found is not None
    assert found["xopc_turn_duration_seconds_count done"] == 1
    assert found["xopc_channel_connected telegram"] == 1
    assert found["xopc_storage_commit_transactions_sum"] >= 4
    assert found["xopc_database_bytes"] > 0
    assert found["xopc_inbox_messages waiting"] == found["xopc_outbox_messages pending"] == 0
    assert not [name for name in found if str(CHAT) in name.split()]


def test_counters_go_on_over_a_restart_in_the_process_and_its_kind_is_counted(gateway: Gateway) -> None:
    for _ in range(3):
        assert ask(gateway, "hello").status == 200
    before = metrics(gateway)
    generation = gateway.health()["generation"]
    gateway.signal(signal.SIGUSR1)
    until(lambda: gateway.health()["generation"] > generation, "it has restarted")
    after = metrics(gateway)
    assert after["xopc_http_request_duration_seconds_count POST /api/agent 200"] == 3
    assert after["xopc_turn_duration_seconds_count done"] == 3
    assert after["process_start_time_seconds"] == before["process_start_time_seconds"]
    assert (before["xopc_restarts_total start"], after["xopc_restarts_total in-process"]) == (1, 1)


def test_what_strangers_ask_for_makes_no_new_series(gateway: Gateway) -> None:
    for number in range(20):
        gateway.request("GET", f"/nowhere/{number}")
        gateway.request("GET", f"/api/sessions/stranger-{number}")
    gateway.request("GET", "/metrics", token="wrong-" * 6)
    routes = {name for name in metrics(gateway) if name.startswith("xopc_http_request_duration_seconds_count")}
    assert routes == {
        "xopc_http_request_duration_seconds_count other 404",
        "xopc_http_request_duration_seconds_count GET /api/sessions/{key} 404",
        "xopc_http_request_duration_seconds_count GET /metrics 401",
    }


def test_each_metric_is_in_the_reference_and_no_other_is(talking: Gateway, world: Outside) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "metrics.md").read_text("utf-8")
    documented = {line.split("`")[1].partition("{")[0] for line in page.splitlines() if line.startswith("| `")}
    world.write("hello")
    world.until_sent(1)
    until(lambda: "xopc_deliveries_total telegram sent" in metrics(talking), "it is counted")
    text = talking.request("GET", "/metrics").body.decode()
    told = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    # These have no values as long as no job has run and nothing is wrong.
    assert documented == told | {"xopc_cron_runs_total", "xopc_problem"}
