"""Measures of the message path: what the gateway adds to a turn, how fast messages are stored, what 500 turns cost."""

from __future__ import annotations

import http.client
import json
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio

from tests.e2e.harness import TOKEN, Gateway
from tests.e2e.outside import Outside, outside
from xopc.contracts.messages import Address, Outbound
from xopc.storage import outbox
from xopc.storage.ids import TimeOrderedIds
from xopc.storage.sqlite import open_storage

Ask = Callable[[http.client.HTTPConnection, int], None]
BODY = "x" * 300
"""Of a message: a few sentences."""


def turns(rounds: int, count: int) -> dict[str, Any]:
    """The time of a turn through the gateway, less that of the same request to the model itself; and the memory."""
    with outside() as servers, tempfile.TemporaryDirectory() as directory:
        servers.configure(Path(directory))
        gateway = Gateway(Path(directory), "--port", "0").wait_until_ready()
        try:
            _through_gateway(gateway, 4, 1)
            idle = _pss_mb(gateway.child_pid)
            added = {f"{sessions}_sessions": _added(servers, gateway, rounds, count, sessions) for sessions in (1, 8)}
            _through_gateway(gateway, 500, 4)
            after = _pss_mb(gateway.child_pid)
        finally:
            gateway.kill()
    memory = {"idle_pss_mb": idle, "after_500_turns_pss_mb": after, "ratio": round(after / idle, 2)}
    return {"added_to_a_turn": {**added, "promised": {"p50_ms": 3}}, "memory": memory}


def enqueues(rounds: int, seconds: float) -> dict[str, Any]:
    """Messages stored per second, by so many callers at once, against one commit for each on the same disk."""
    results: dict[str, Any] = {}
    for callers in (1, 8, 64):
        grouped: list[float] = []
        single: list[float] = []
        for _ in range(rounds):
            grouped.append(trio.run(_enqueue_grouped, callers, seconds))
            single.append(trio.run(_enqueue_one_by_one, callers, seconds))
        ratios = [ours / theirs for ours, theirs in zip(grouped, single, strict=True)]
        results[f"{callers}_callers"] = {
            "per_second": round(statistics.median(grouped)),
            "one_commit_each_per_second": round(statistics.median(single)),
            "ratio": round(statistics.median(ratios), 2),
        }
    return {**results, "promised": {"64_callers ratio": 8}}


# --------------------------------------------------------------------- turns


def _added(servers: Outside, gateway: Gateway, rounds: int, count: int, sessions: int) -> dict[str, Any]:
    through: list[float] = []
    direct: list[float] = []
    for _ in range(rounds):
        direct += _directly(servers.model_port, count, sessions)
        through += _through_gateway(gateway, count, sessions)
    return {
        f"p{percent}_ms": {
            "gateway": round(_percentile(through, percent), 2),
            "model": round(_percentile(direct, percent), 2),
            "added": round(_percentile(through, percent) - _percentile(direct, percent), 2),
        }
        for percent in (50, 99)
    }


def _through_gateway(gateway: Gateway, count: int, sessions: int) -> list[float]:
    headers = {"Content-Type": "application/json", "X-Api-Key": TOKEN}

    def ask(connection: http.client.HTTPConnection, session: int) -> None:
        body = {"message": f"say:{BODY}", "session": f"bench{session}"}
        connection.request("POST", "/api/agent", json.dumps(body), headers)
        answer = json.loads(connection.getresponse().read())
        assert answer.get("reply") == BODY, answer

    return _timed(gateway.port, count, sessions, ask)


def _directly(port: int, count: int, sessions: int) -> list[float]:
    def ask(connection: http.client.HTTPConnection, _session: int) -> None:
        message = {"role": "user", "content": f"say:{BODY}"}
        body = {"model": "echo", "stream": True, "stream_options": {"include_usage": True}, "messages": [message]}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        assert b"[DONE]" in connection.getresponse().read()

    return _timed(port, count, sessions, ask)


def _timed(port: int, count: int, sessions: int, ask: Ask) -> list[float]:
    """Milliseconds of each request, made by so many callers at once."""
    times: list[float] = []

    def call(session: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(count // sessions):
            began = time.perf_counter()
            ask(connection, session)
            times.append((time.perf_counter() - began) * 1000)
        connection.close()

    threads = [threading.Thread(target=call, args=(session,)) for session in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


# ------------------------------------------------------------------ enqueues


async def _enqueue_grouped(callers: int, seconds: float) -> float:
    with tempfile.TemporaryDirectory() as directory:
        async with open_storage(Path(directory) / "bench.db") as storage:

            async def enqueue(caller: int) -> None:
                await storage.enqueue(Outbound(Address("telegram", "default", str(caller)), BODY))

            return await _rate(callers, seconds, enqueue)


async def _enqueue_one_by_one(callers: int, seconds: float) -> float:
    """The same transaction with the same durability, but a commit for each, from a pool of threads."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "bench.db"
        async with open_storage(path):
            pass
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        ids, lock = TimeOrderedIds(), threading.Lock()

        def store(outbound: Outbound) -> None:
            now = time.time()
            with lock:
                connection.execute("begin immediate")
                outbox.enqueue(connection, f"msg_{ids.next(now)}", outbound, None, now)
                connection.execute("commit")

        async def enqueue(caller: int) -> None:
            await trio.to_thread.run_sync(store, Outbound(Address("telegram", "default", str(caller)), BODY))

        try:
            return await _rate(callers, seconds, enqueue)
        finally:
            connection.close()


async def _rate(callers: int, seconds: float, enqueue: Callable[[int], Awaitable[None]]) -> float:
    count = 0

    async def call(caller: int) -> None:
        nonlocal count
        while trio.current_time() < end:
            await enqueue(caller)
            count += 1

    began = trio.current_time()
    end = began + seconds
    async with trio.open_nursery() as nursery:
        for caller in range(callers):
            nursery.start_soon(call, caller)
    return count / (trio.current_time() - began)


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024, 1)
