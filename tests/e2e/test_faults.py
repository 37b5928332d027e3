"""A disk that fails, a process that stands still, a clock that jumps: it passes, and nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.e2e.faults import (
    SmallDisk,
    Writer,
    can_mount,
    full_database,
    moved,
    no_writes,
    problems,
    stopped,
    writing,
)
from tests.e2e.harness import Gateway, Reply, until
from tests.e2e.outside import CHAT, Outside, ask

Start = Callable[..., Gateway]

JUMPING_GATEWAY = Path(__file__).parents[1] / "fakes" / "jumping_gateway.py"
OTHER = CHAT + 1
FAULT_SECONDS = 3
FULL_DISKS = ["database", *(["disk"] if can_mount() else [])]
"""Where nobody may mount anything, sqlite itself sets the limit."""


@pytest.fixture(params=FULL_DISKS)
def filled(request: pytest.FixtureRequest, home: Path, world: Outside, start: Start) -> Iterator[Filled]:
    """A ready gateway on a disk that can be made full."""
    if request.param == "disk":
        disk = SmallDisk(home)
        gateway = start(within=disk.command)
        yield gateway, lambda: disk.full(gateway), {"storage", "log"}
    else:
        gateway = start(child=Path(__file__).parents[1] / "fakes" / "small_database_gateway.py")
        yield gateway, lambda: full_database(gateway), {"storage"}


Filled = tuple[Gateway, Callable[[], AbstractContextManager[None]], set[str]]


def is_well(gateway: Gateway) -> bool:
    health = gateway.health()
    return (health["status"], health["problems"]) == ("healthy", [])


def is_degraded_by(gateway: Gateway, codes: set[str]) -> bool:
    health = gateway.health()
    return health["status"] == "degraded" and set(health["problems"]) == codes


def is_complete(writer: Writer, world: Outside) -> bool:
    """Whether each acknowledged message was delivered once and in order, and no other."""
    assert (writer.failures, writer.cut) == ([], 0)
    until(lambda: len(world.sent()) >= len(writer.acknowledged), "all that was acknowledged is delivered", 50)
    return world.sent() == writer.acknowledged


def is_complete_but_for_a_repetition(writer: Writer, world: Outside) -> bool:
    """The same, of a gateway that was killed between a delivery and the commit that remembers it."""
    assert (writer.failures, writer.cut <= 1) == ([], True)
    until(lambda: len(set(world.sent())) >= len(writer.acknowledged), "all that was acknowledged is delivered", 50)
    sent = world.sent()
    return list(dict.fromkeys(sent)) == writer.acknowledged and len(sent) <= len(writer.acknowledged) + 1


def test_a_full_disk_shows_and_passes_and_loses_nothing(filled: Filled, world: Outside) -> None:
    gateway, make_full, codes = filled
    world.meet(OTHER)
    with writing(gateway) as writer:
        with make_full():
            until(lambda: is_degraded_by(gateway, codes), "the fault shows")
            database = gateway.state / "xopc.db"
            assert problems(gateway)["storage"] == (
                f"The disk of {database} is full: free some room; the gateway goes on by itself."
            )
            world.write("are you there?", chat=OTHER)
            time.sleep(FAULT_SECONDS)
        until(lambda: is_well(gateway), "the gateway is well again", 10)
    assert {error["code"] for error in writer.refused} == {"UNAVAILABLE"}
    assert is_complete(writer, world)
    assert world.until_sent(1, chat=OTHER, seconds=40) == ["You said: are you there?"]


def test_a_disk_that_fails_shows_and_passes_and_loses_nothing(talking: Gateway, world: Outside) -> None:
    world.meet(OTHER)
    with writing(talking) as writer:
        with no_writes(talking.child_pid):
            until(lambda: is_degraded_by(talking, {"storage", "log"}), "the fault shows")
            seen = problems(talking)
            assert seen["storage"].startswith(f"The disk of {talking.state / 'xopc.db'} fails (disk I/O error): ")
            assert seen["log"].startswith(f"The log in {talking.state / 'logs'} cannot be written ([Errno 27]")
            assert ask(talking, "are you there?").status == 503
            assert talking.request("GET", "/api/sessions").status == 200, "reads go on"
            world.write("are you there?", chat=OTHER)
            time.sleep(FAULT_SECONDS)
        until(lambda: is_well(talking), "the gateway is well again", 10)
    refused = {(error["code"], error["message"]) for error in writer.refused}
    assert len(refused) == 1
    (code, message) = refused.pop()
    assert code == "UNAVAILABLE"
    assert "nothing was changed" in message
    assert "Try again" in message
    assert is_complete(writer, world)
    assert world.until_sent(1, chat=OTHER, seconds=40) == ["You said: are you there?"]
    (log,) = talking.state.glob("logs/app-*.log")
    assert '"lost":' in log.read_text()


def test_the_end_of_a_turn_is_kept_until_the_disk_takes_it(talking: Gateway, world: Outside) -> None:
    answers: list[Reply] = []
    asking = threading.Thread(target=lambda: answers.append(ask(talking, "slow:1")), daemon=True)
    asking.start()
    until(lambda: len(world.asked()) == 1, "the model is asked")
    with no_writes(talking.child_pid):
        until(lambda: is_degraded_by(talking, {"storage", "log"}), "the fault shows")
        time.sleep(FAULT_SECONDS)
        assert answers == []
    asking.join(20)
    assert [answer.status for answer in answers] == [200]
    assert len(world.asked()) == 1, "the model is not asked again"
    session = talking.request("GET", f"/api/sessions/{answers[0].json['sessionKey']}").json["session"]
    assert [message["role"] for message in session["messages"]] == ["user", "assistant"]


def test_nothing_is_acknowledged_into_a_database_that_is_gone(talking: Gateway, world: Outside) -> None:
    database = talking.state / "xopc.db"
    with writing(talking) as writer:
        with moved(database):
            until(lambda: is_degraded_by(talking, {"storage"}), "the fault shows")
            assert problems(talking)["storage"].startswith(f"{database} was moved, removed or replaced")
            count = len(writer.acknowledged)
            time.sleep(1)
            assert len(writer.acknowledged) == count
            assert not database.exists(), "no new one is made"
        until(lambda: is_well(talking), "the gateway is well again", 10)
    assert is_complete(writer, world)


def test_a_crash_on_a_full_disk_is_waited_out(filled: Filled, world: Outside) -> None:
    gateway, make_full, _ = filled
    with writing(gateway) as writer:
        before = gateway.boot_id()
        with make_full():
            until(lambda: "storage" in gateway.health()["problems"], "the fault shows")
            os.kill(gateway.child_pid, signal.SIGKILL)
            until(lambda: gateway.boot_id() not in (None, before), "the next process answers", 30)
            time.sleep(FAULT_SECONDS)
        until(lambda: is_well(gateway), "the gateway is well again", 40)
    assert is_complete_but_for_a_repetition(writer, world)


def test_a_disk_on_which_no_process_can_start_is_waited_out(talking: Gateway, world: Outside) -> None:
    with writing(talking) as writer:
        with no_writes(talking.process.pid):  # which those that it starts inherit
            os.kill(talking.child_pid, signal.SIGKILL)
            until(lambda: talking.text.count("cannot start for now") >= 2, "it is tried more than once")
        until(lambda: is_well(talking), "the gateway is well again", 40)
    assert is_complete_but_for_a_repetition(writer, world)
    assert "xopc.db cannot be opened: disk I/O error. The disk fails: see what the system's log says." in talking.text


@pytest.mark.parametrize("who", ["gateway", "supervisor"])
def test_a_process_that_stands_still_for_a_while_goes_on_where_it_was(
    talking: Gateway, world: Outside, who: str
) -> None:
    before = talking.boot_id()
    with writing(talking) as writer:
        with stopped(talking.child_pid if who == "gateway" else talking.process.pid):
            if who == "supervisor":
                writer.goes_on()
                assert is_well(talking), "the gateway does not need its supervisor to serve"
            time.sleep(FAULT_SECONDS)
        until(lambda: is_well(talking), "the gateway is well")
    assert talking.boot_id() == before
    assert writer.refused == []
    assert is_complete(writer, world)
    talking.signal(signal.SIGTERM)
    assert talking.wait_until_ended() == 0


@pytest.mark.parametrize("hours", [6, -6, 24 * 400])
@pytest.mark.usefixtures("home")
def test_a_clock_that_jumps_stalls_nothing_and_loses_nothing(
    world: Outside, start: Start, tmp_path: Path, hours: int
) -> None:
    def jump(seconds: int) -> None:
        (tmp_path / "next").write_text(str(seconds))
        (tmp_path / "next").replace(tmp_path / "clock")

    jump(0)
    gateway = start(child=JUMPING_GATEWAY, CLOCK_OFFSET=str(tmp_path / "clock"))
    with writing(gateway) as writer:
        jump(hours * 3600)
        writer.goes_on()
        gateway.signal(signal.SIGUSR1)
        until(lambda: gateway.health()["generation"] == 2, "it restarts in its process")
        started = datetime.fromisoformat(gateway.health()["startedAt"])
        assert abs((started - datetime.now(UTC)).total_seconds() - hours * 3600) < 60, "its clock is wrong"
        writer.goes_on()
        jump(0)
        writer.goes_on()
        assert is_well(gateway)
    assert writer.refused == []
    assert is_complete(writer, world)
