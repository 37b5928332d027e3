"""What the gateway counts of itself, as Prometheus reads it at `GET /metrics`.

The counters live as long as the process, so an in-process restart does not begin them anew. What has no history, such
as what waits, is looked up when somebody asks. No label holds an id, a name of a person or a text: channels, routes and
words of our own are all that there is.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import xopc
from xopc.contracts.api.status import HealthStatus, Status
from xopc.contracts.transcript import RunResult, RunState
from xopc.core.hub import Hub
from xopc.core.metrics import Counter, Family, Gauge, Histogram, Labels, Metric, render
from xopc.gateway.generation import Generation
from xopc.storage.transactions.backlog import Backlog

REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
TURN_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
GROUP_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(Family(f"xopc_{name}", "counter", text, labels))


def _histogram(bounds: tuple[float, ...], name: str, text: str, *labels: str) -> Histogram:
    return Histogram(Family(f"xopc_{name}", "histogram", text, labels), bounds)


class Meters:
    """The counters of one process, and who fills them. `commits` alone is written to by another thread."""

    def __init__(self) -> None:
        self.started_at = time.time()
        self._requests = _histogram(
            REQUEST_SECONDS,
            "http_request_duration_seconds",
            "From the head of a request to that of its answer, by route and status.",
            "route",
            "status",
        )
        self._turns = _histogram(
            TURN_SECONDS,
            "turn_duration_seconds",
            "From when a message is taken up to the end of its turn, by how that ended.",
            "outcome",
        )
        self._deliveries = _counter(
            "deliveries_total", "Messages that were sent, or given up with a kind of error.", "channel", "outcome"
        )
        self._cron = _counter("cron_runs_total", "Runs of jobs, by the state that they came to.", "status")
        self._restarts = _counter("restarts_total", "Starts and restarts of this process, by kind.", "kind")
        self._lag = _histogram(
            LAG_SECONDS, "event_loop_lag_seconds", "How much later than asked for the event loop wakes a task."
        )
        self._commits = _histogram(COMMIT_SECONDS, "storage_commit_duration_seconds", "Commits, with their flush.")
        self._groups = _histogram(
            GROUP_SIZES, "storage_commit_transactions", "How many transactions a commit brought to the disk at once."
        )

    # ------------------------------------------------------------- counting

    def request(self, route: str, status: int, seconds: float) -> None:
        """A request was answered; a route is one of those that are declared, or `other`."""
        self._requests.observe(seconds, route, str(status))

    def turn(self, result: RunResult, seconds: float) -> None:
        """A turn has ended."""
        self._turns.observe(seconds, _outcome(result))

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Something happened that everybody is told of."""
        match kind:
            case "message.sent":
                self._deliveries.add(str(data["channel"]), "sent")
            case "message.failed":
                self._deliveries.add(str(data["channel"]), str(data["errorClass"] or "permanent"))
            case "cron.run":
                self._cron.add(str(data["status"]))
            case _:
                pass

    def restart(self, kind: str) -> None:
        """A generation took over."""
        self._restarts.add(kind)

    def lag(self, seconds: float) -> None:
        """The event loop was so late."""
        self._lag.observe(max(0.0, seconds))

    def commit(self, transactions: int, seconds: float) -> None:
        """A group of transactions is on the disk. Called in the writer's thread."""
        self._commits.observe(seconds)
        self._groups.observe(transactions)

    # ------------------------------------------------------------- telling

    def text(self, status: Status, generation: Generation, hub: Hub, backlog: Backlog | None) -> str:
        """All metrics of this moment; without a backlog where the storage cannot be read."""
        counted: tuple[Metric, ...] = (
            self._requests,
            self._turns,
            self._deliveries,
            self._cron,
            self._restarts,
            self._lag,
            self._commits,
            self._groups,
        )
        found = [*self._of_process(status), *_of_gateway(status, generation), *_of_events(hub), *_of_storage(status)]
        return render((*found, *counted, *(_of_backlog(backlog) if backlog else ())))

    def _of_process(self, status: Status) -> Iterator[Metric]:
        cpu = os.times()
        yield _gauge("xopc_build_info", "The version.", 1, version=xopc.__version__, python=platform.python_version())
        yield _gauge("process_start_time_seconds", "When the process started, since the epoch.", self.started_at)
        yield _gauge("process_resident_memory_bytes", "Memory, as the system counts it.", status.memory.rss)
        spent = Counter(Family("process_cpu_seconds_total", "counter", "Time of processors."))
        spent.add(amount=cpu.user + cpu.system)
        yield spent
        if sys.platform == "linux":
            with suppress(OSError):
                yield _gauge("process_open_fds", "Open descriptors.", len(os.listdir("/proc/self/fd")))  # noqa: PTH208  names alone


def _of_gateway(status: Status, generation: Generation) -> Iterator[Metric]:
    health = status.health
    words = {(word.value,): float(word is health.status) for word in HealthStatus}
    yield _gauges("xopc_health", "1 for the word that health says.", words, "status")
    problems = {(problem.code,): 1.0 for problem in status.problems}
    yield _gauges("xopc_problem", "1 for each problem that stands.", problems, "code")
    yield _gauge("xopc_generation", "The number of the running generation.", generation.number)
    yield _gauge("xopc_uptime_seconds", "Since the running generation started.", health.uptime)
    yield _gauge("xopc_connections", "Open connections of clients.", status.connections)
    channels = [channel for channel in generation.channel_status() if channel["enabled"]]
    connected = {(str(channel["name"]),): float(bool(channel["connected"])) for channel in channels}
    yield _gauges("xopc_channel_connected", "1 where all enabled accounts are.", connected, "channel")


def _of_events(hub: Hub) -> Iterator[Metric]:
    yield _gauge("xopc_event_subscribers", "Streams of events that are open.", hub.subscribers)
    for name, text, amount in (
        ("events_published_total", "Events, tokens among them where anybody listens.", hub.published),
        ("event_subscribers_dropped_total", "Subscribers that were closed for reading too slowly.", hub.dropped),
    ):
        counter = _counter(name, text)
        counter.add(amount=amount)
        yield counter


def _of_storage(status: Status) -> Iterator[Metric]:
    use = status.storage
    if use is None:
        return
    yield _gauge("xopc_database_bytes", "Of the database's file.", use.database_bytes)
    yield _gauge("xopc_database_wal_bytes", "Of the write-ahead log beside it.", use.wal_bytes)
    yield _gauge("xopc_disk_free_bytes", "Free on the disk of the database.", use.disk_free_bytes)
    yield _gauge("xopc_log_bytes", "Of all files of the log.", use.log_bytes)
    yield _gauge("xopc_sessions", "Sessions.", use.sessions)
    yield _gauge("xopc_messages", "Messages in all sessions.", use.messages)


def _of_backlog(backlog: Backlog) -> Iterator[Metric]:
    inbox = backlog.inbox
    states = {("waiting",): inbox.waiting, ("running",): inbox.running, ("parked",): inbox.parked}
    yield _gauges("xopc_inbox_messages", "Messages without an answer, by state.", states, "state")
    oldest = _age(backlog.oldest_inbox_at)
    yield _gauge("xopc_inbox_oldest_age_seconds", "Of the oldest that has no answer; 0 without one.", oldest)
    unsent = {(state.value,): float(count) for state, count in backlog.outbox.items()}
    yield _gauges("xopc_outbox_messages", "Messages that were not sent, by state.", unsent, "state")
    oldest = _age(backlog.oldest_outbox_at)
    yield _gauge("xopc_outbox_oldest_age_seconds", "Of the oldest that is to be sent; 0 without one.", oldest)


def _gauge(name: str, text: str, value: float, **labels: str) -> Gauge:
    return Gauge(Family(name, "gauge", text, tuple(labels)), {tuple(labels.values()): value})


def _gauges(name: str, text: str, values: Mapping[Labels, float], label: str) -> Gauge:
    return Gauge(Family(name, "gauge", text, (label,)), values)


def _age(at: float | None) -> float:
    return 0.0 if at is None else max(0.0, time.time() - at)


def _outcome(result: RunResult) -> str:
    if result.state is RunState.RUNNING:
        return "interrupted"  # it goes on in another process or generation
    return "timed-out" if result.timed_out else result.state.value
