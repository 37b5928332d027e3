"""What a list of sessions, and one session, cost to ask for in a database that has grown."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

from tests.benchmarks.machine import new_home, running
from tests.benchmarks.measured import milliseconds, ratios, spread
from tests.benchmarks.prepared import MESSAGES_EACH, session_key, with_sessions
from tests.e2e.harness import TOKEN, Gateway, write_config

FEW = 1_000


def scale(*, quick: bool) -> dict[str, Any]:
    """Each request to a gateway with a thousand sessions and to one with very many, in turns."""
    many, rounds, repeats = (10_000, 3, 10) if quick else (100_000, 7, 20)
    with ExitStack() as stack:
        began = time.perf_counter()
        gateways: dict[int, Gateway] = {}
        for count in (FEW, many):
            home = stack.enter_context(new_home())
            write_config(home, {"gateway": {"auth": {"token": TOKEN}}})
            with_sessions(home / ".xopc" / "xopc.db", count)
            gateways[count] = stack.enter_context(running(home))
        built = time.perf_counter() - began
        figures = {
            name: _compared(gateways, name, rounds, repeats)
            for name in ("list", "list_by_channel", "list_page_10", "search", "open", "open_unknown")
        }
    return {
        "sessions": [FEW, many],
        "messages": [FEW * MESSAGES_EACH, many * MESSAGES_EACH],
        "built_and_started_seconds": round(built, 1),
        **figures,
    }


def _compared(gateways: dict[int, Gateway], name: str, rounds: int, repeats: int) -> dict[str, Any]:
    times: dict[int, list[float]] = {count: [] for count in gateways}
    for _ in range(rounds):
        for count, gateway in gateways.items():
            times[count].append(_mean_seconds(gateway, _paths(name, count, repeats)))
    few, many = times.values()
    return {
        **{f"{count}_ms": milliseconds(seconds, digits=2) for count, seconds in times.items()},
        "ratio": spread(ratios(many, few), goal="<= 2" if name in {"list", "open"} else None),
    }


def _paths(name: str, count: int, repeats: int) -> Iterable[str]:
    """Requests of one kind, spread over the sessions that there are."""
    for number in range(repeats):
        key = session_key(1 + number * (count - 1) // repeats)
        match name:
            case "list":
                yield "/api/sessions"
            case "list_by_channel":
                yield "/api/sessions?channel=telegram"
            case "list_page_10":
                yield "/api/sessions?offset=450"
            case "search":
                yield f"/api/sessions?search={quote(key)}"
            case "open":
                yield f"/api/sessions/{quote(key)}"
            case _:
                yield "/api/sessions/main:telegram:default:dm:nobody"


def _mean_seconds(gateway: Gateway, paths: Iterable[str]) -> float:
    statuses: set[int] = set()
    count, began = 0, time.perf_counter()
    for path in paths:
        statuses.add(gateway.request("GET", path).status)
        count += 1
    assert statuses <= {200, 404}, statuses
    return (time.perf_counter() - began) / count
