import json
import os
import socket
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from xopc.config.resolve import Flags, resolve
from xopc.contracts.api.status import HealthStatus, LastReload
from xopc.gateway.generation import Generation, Life
from xopc.gateway.vitals import Identity, Vitals, addresses_of
from xopc_supervisor.contract import Inheritance

IDENTITY = Identity("boot", 4711, 4712, ("127.0.0.1:18790",), 18790)


def vitals() -> Vitals:
    return Vitals(IDENTITY, connections=lambda: 3)


async def running(life: Life, home: Path, number: int = 1) -> tuple[Vitals, Generation]:
    generation = Generation(number, resolve({"XOPC_HOME": str(home)}, Flags()), life)
    told = vitals()
    told.generation = generation
    return told, generation


async def test_health_is_told_from_before_the_first_generation_on() -> None:
    health = vitals().health()
    assert (health.generation, health.uptime, health.pid, health.gateway_pid) == (0, 0, 4711, 4712)


async def test_uptime_counts_whole_seconds_of_the_generation(life: Life, home: Path, autojump_clock: MockClock) -> None:
    told, generation = await running(life, home, number=2)
    await trio.sleep(3.7)
    code, body = told.answer()
    health = json.loads(body)
    assert code == 200
    assert (health["status"], health["uptime"], health["generation"]) == ("healthy", 3, 2)
    assert (health["bootId"], health["startedAt"]) == ("boot", generation.started_at)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (HealthStatus.HEALTHY, 200),
        (HealthStatus.DEGRADED, 200),
        (HealthStatus.RESTARTING, 200),
        (HealthStatus.STOPPING, 503),
    ],
)
async def test_only_a_stopping_gateway_is_unavailable(life: Life, home: Path, status: HealthStatus, code: int) -> None:
    told, _ = await running(life, home)
    told.answer()
    told.status = status
    answered, body = told.answer()
    assert (answered, json.loads(body)["status"]) == (code, status.value)


async def test_a_problem_is_told_in_a_word_to_all_and_whole_to_those_with_a_credential(life: Life, home: Path) -> None:
    told, generation = await running(life, home)
    assert json.loads(told.answer()[1])["problems"] == []
    told.problems.report("hand-over", "The new process could not take over.", degrades=False)
    assert json.loads(told.answer()[1])["status"] == "healthy"
    told.problems.report("storage", "The disk of /home/ann/.xopc/xopc.db is full.")
    code, body = told.answer()
    health = json.loads(body)
    assert (code, health["status"], health["problems"]) == (200, "degraded", ["hand-over", "storage"])
    assert b"/home/ann" not in body
    assert [problem.message for problem in told.full(generation, None).problems] == [
        "The new process could not take over.",
        "The disk of /home/ann/.xopc/xopc.db is full.",
    ]
    told.problems.clear("storage")
    assert json.loads(told.answer()[1])["status"] == "healthy"


async def test_the_answer_is_encoded_once_as_long_as_nothing_changes(life: Life, home: Path) -> None:
    told, _ = await running(life, home)
    assert told.answer()[1] is told.answer()[1]


async def test_the_status_tells_paths_as_a_person_writes_them_and_no_secret(
    life: Life,
    home: Path,
) -> None:
    told, generation = await running(life, home)
    status = told.full(generation, None)
    assert status.config_path == "~/.xopc/xopc.json"
    assert (status.port, status.connections, status.restarts, status.auth_mode) == (18790, 3, 0, "token")


async def test_the_status_tells_of_the_last_reload(life: Life, home: Path) -> None:
    told, generation = await running(life, home)
    last = LastReload("2026-11-20T10:00:00.000Z", "by hand", ("gateway.auth.token",))
    assert (told.full(generation, None).last_reload, told.full(generation, None, last).last_reload) == (None, last)


async def test_the_memory_is_measured_once_a_second_at_most(life: Life, home: Path, autojump_clock: MockClock) -> None:
    told, generation = await running(life, home)
    first = told.full(generation, None).memory
    assert told.full(generation, None).memory is first
    await trio.sleep(1.1)
    assert told.full(generation, None).memory is not first


def test_addresses_are_written_as_in_urls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert addresses_of([listener]) == (f"127.0.0.1:{port}",)
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        port = listener.getsockname()[1]
        assert addresses_of([listener]) == (f"[::1]:{port}",)


def test_a_process_knows_where_it_serves_and_whose_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        inheritance = Inheritance(3, 4, (5,), "boot", 42)
        assert Identity.of(inheritance, [listener]) == Identity("boot", 42, os.getpid(), (f"127.0.0.1:{port}",), port)
