from __future__ import annotations

import math
import time
from typing import Any, cast

from attrs import evolve
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.generation import Generation as Fake
from xopc.contracts.api.storage import StorageUse
from xopc.contracts.messages import InboxCounts, OutboxState
from xopc.contracts.transcript import RunResult, RunState
from xopc.core.hub import Hub
from xopc.gateway.generation import Generation
from xopc.gateway.meters import Meters
from xopc.storage.transactions.backlog import Backlog

USE = StorageUse(
    database_bytes=1,
    wal_bytes=2,
    free_bytes=3,
    disk_free_bytes=4,
    log_bytes=5,
    sessions=6,
    messages=7,
    inbox_waiting=8,
    outbox_waiting=9,
    dead_letters=10,
)


class Channels:
    """As much of a generation as is counted of it."""

    number = 3

    def channel_status(self) -> list[dict[str, object]]:
        return [
            {"name": "telegram", "enabled": True, "connected": False},
            {"name": "webchat", "enabled": False, "connected": True},
        ]


async def told(meters: Meters, backlog: Backlog | None = None, storage: StorageUse | None = USE) -> dict[str, float]:
    """Each sample by its name and its labels, as Prometheus reads it."""
    status = evolve(await Fake().status(), storage=storage)
    text = meters.text(status, cast("Generation", Channels()), Hub("boot"), backlog)
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_what_happened_is_counted() -> None:
    meters = Meters()
    meters.request("GET /api/status", 200, 0.02)
    meters.event("message.sent", {"channel": "telegram"})
    meters.event("message.failed", {"channel": "telegram", "errorClass": "expired"})
    meters.event("cron.run", {"status": "success"})
    meters.event("session.updated", {"key": "main:telegram:default:dm:4711"})
    meters.restart("start")
    meters.lag(-0.5)
    meters.commit(17, 0.004)
    found = await told(meters)
    assert found["xopc_http_request_duration_seconds_count GET /api/status 200"] == 1
    assert found["xopc_http_request_duration_seconds_bucket 0.025 GET /api/status 200"] == 1
    assert found["xopc_http_request_duration_seconds_bucket 0.01 GET /api/status 200"] == 0
    assert found["xopc_deliveries_total telegram sent"] == found["xopc_deliveries_total telegram expired"] == 1
    assert found["xopc_cron_runs_total success"] == found["xopc_restarts_total start"] == 1
    assert found["xopc_event_loop_lag_seconds_sum"] == 0
    assert (found["xopc_storage_commit_transactions_sum"], found["xopc_storage_commit_duration_seconds_count"]) == (
        17,
        1,
    )


async def test_each_end_of_a_turn_has_its_word() -> None:
    meters = Meters()
    for state, timed_out in (
        (RunState.DONE, False),
        (RunState.FAILED, False),
        (RunState.FAILED, True),
        (RunState.ABORTED, False),
        (RunState.RUNNING, False),
    ):
        meters.turn(RunResult("r", "k", state, "", timed_out=timed_out), 0.3)
    found = await told(meters)
    for word in ("done", "failed", "timed-out", "aborted", "interrupted"):
        assert found[f"xopc_turn_duration_seconds_count {word}"] == 1


async def test_what_is_so_now_is_told() -> None:
    unsent = {OutboxState.PENDING: 4, OutboxState.INFLIGHT: 1, OutboxState.DEAD: 2}
    backlog = Backlog(InboxCounts(1, 2, 3), time.time() - 60, unsent, None)
    found = await told(Meters(), backlog)
    assert [found[f"xopc_inbox_messages {state}"] for state in ("waiting", "running", "parked")] == [1, 2, 3]
    assert [found[f"xopc_outbox_messages {state}"] for state in ("pending", "inflight", "dead")] == [4, 1, 2]
    assert math.isclose(found["xopc_inbox_oldest_age_seconds"], 60, abs_tol=5)
    assert found["xopc_outbox_oldest_age_seconds"] == 0
    assert found["xopc_channel_connected telegram"] == 0
    assert "xopc_channel_connected webchat" not in found
    assert (found["xopc_generation"], found["xopc_database_bytes"], found["xopc_log_bytes"]) == (3, 1, 5)
    assert found["xopc_health healthy"] == 1
    assert sum(value for name, value in found.items() if name.startswith("xopc_health ")) == 1
    assert found["process_start_time_seconds"] <= time.time()
    assert found["process_open_fds"] > 0


async def test_without_figures_of_the_storage_the_rest_is_told() -> None:
    found = await told(Meters(), storage=None)
    assert "xopc_database_bytes" not in found
    assert "xopc_inbox_messages waiting" not in found
    assert found["xopc_generation"] == 3


async def test_no_id_and_no_text_of_anybody_is_in_it() -> None:
    meters = Meters()
    secret: dict[str, Any] = {"channel": "telegram", "chatId": "4711", "accountId": "a", "messageId": "msg_1"}
    meters.event("message.sent", secret)
    meters.event("message.failed", {**secret, "errorClass": None, "error": "no such chat"})
    assert not [name for name in await told(meters) if "4711" in name or "msg_1" in name or "chat" in name]
