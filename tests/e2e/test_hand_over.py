"""A respawn: what clients of the old process see, and what happens when the new one cannot serve."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import TOKEN, Gateway, until, write_config
from tests.e2e.load import Load
from tests.e2e.outside import Listener, Outside
from tests.ports import free_port
from xopc_supervisor.contract import RestartIntent

Start = Callable[..., Gateway]
JSON = {"Content-Type": "application/json"}
SLOW_GATEWAY = Path(__file__).parents[1] / "fakes" / "slow_gateway.py"
HANGING_GATEWAY = Path(__file__).parents[1] / "fakes" / "hanging_gateway.py"


def respawn(gateway: Gateway, reason: str = "by hand") -> str:
    """Ask for a new process, without waiting for it; the boot id of the one before."""
    info = gateway.lock()
    assert info is not None
    assert info.boot_id is not None
    leave_intent(gateway, info.boot_id, "respawn", reason)
    gateway.signal(signal.SIGUSR1)
    return info.boot_id


def leave_intent(gateway: Gateway, boot_id: str, mode: str, reason: str) -> None:
    intent = RestartIntent(gateway.process.pid, boot_id, mode, reason, int(time.time() * 1000))
    (gateway.state / "gateway-restart-intent.json").write_text(intent.to_json())


def wait_for_another(gateway: Gateway, boot_id: str) -> None:
    until(lambda: gateway.boot_id() not in (boot_id, None), "another process serves")


def write_port(home: Path, port: int) -> None:
    """For somebody to restart with: the file is not watched."""
    write_config(home, {"gateway": {"port": port, "auth": {"token": TOKEN}, "reload": {"mode": "off"}}})


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Callable[[int], Gateway]]:
    """Starts a gateway whose configuration, and nothing else, says at which port."""
    started: list[Gateway] = []

    def start(port: int) -> Gateway:
        write_port(tmp_path, port)
        started.append(Gateway(tmp_path))
        return started[-1].wait_until_ready()

    yield start
    for gateway in started:
        gateway.kill()


def test_an_idle_connection_is_handed_on_and_answered_by_the_new_process(gateway: Gateway) -> None:
    kept = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    with contextlib.closing(kept):
        kept.request("GET", "/health")
        before = json.load(kept.getresponse())
        address = kept.sock.getsockname()
        wait_for_another(gateway, respawn(gateway))
        kept.request("GET", "/health")
        after = json.load(kept.getresponse())
        assert after["gatewayPid"] != before["gatewayPid"]
        assert kept.sock.getsockname() == address


def test_a_request_in_flight_is_answered_in_full_and_newcomers_by_the_new_process(start: Start) -> None:
    gateway = start(child=SLOW_GATEWAY)
    answers: list[tuple[str, object]] = []

    def ask() -> None:
        answers.append(("slow", gateway.request("GET", "/slow/2").json))

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: "GET /slow/2\n" in gateway.text, "it is in flight")
    old = gateway.child_pid
    respawn(gateway)
    until(lambda: "Handing over to a new process." in gateway.text, "the old process drains")
    until(lambda: gateway.health()["gatewayPid"] != old, "newcomers are answered by the new process")
    asking.join(10)
    assert answers == [("slow", {"seconds": 2.0})]


def test_the_stream_of_a_turn_ends_with_its_turn_and_not_with_the_process(talking: Gateway, world: Outside) -> None:
    heard: list[str] = []

    def stream() -> None:
        body = json.dumps({"message": "slow:1.5"})
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        heard.append(talking.request("POST", "/api/agent", body=body, headers=headers).body.decode())

    asking = threading.Thread(target=stream)
    asking.start()
    until(world.asked, "the model is asked")
    wait_for_another(talking, respawn(talking))
    asking.join(10)
    assert "event: result" in heard[0]


def test_subscribers_are_told_before_they_are_parted_from(gateway: Gateway) -> None:
    listener = Listener(gateway, Authorization=f"Bearer {TOKEN}")
    until(lambda: "HTTP/1.1 200" in listener.heard, "it listens")
    wait_for_another(gateway, respawn(gateway))
    until(lambda: listener.heard.endswith("0\r\n\r\n"), "the stream ends")
    listener.hang_up()
    assert "event: shutdown" in listener.heard
    assert '"reason":"restarting"' in listener.heard.replace(" ", "")


def test_a_client_that_stopped_reading_holds_nothing_up(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        request = f"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {TOKEN}\r\n\r\n".encode()
        with contextlib.suppress(BlockingIOError):
            deaf.setblocking(False)
            for _ in range(200):
                deaf.sendall(request)
        began = time.monotonic()
        wait_for_another(gateway, respawn(gateway))
        assert time.monotonic() - began < 7


def test_a_moved_port_is_served_before_the_old_one_is_given_up(configured: Callable[[int], Gateway]) -> None:
    before, after = free_port(), free_port()
    gateway = configured(before)
    kept = http.client.HTTPConnection("127.0.0.1", before, timeout=20)
    with contextlib.closing(kept):
        kept.request("GET", "/health")
        first = json.load(kept.getresponse())
        write_port(gateway.home, after)
        done = gateway.xopc("gateway", "restart", "--wait", "20s", "--reason", "a new port")
        assert done.returncode == 0, done.stdout + done.stderr
        assert gateway.port == after
        assert gateway.health()["pid"] == first["pid"]
        assert gateway.request("GET", "/api/status").json["lastRestart"]["reason"] == "a new port"
        kept.request("GET", "/health")
        assert json.load(kept.getresponse())["gatewayPid"] == gateway.child_pid, "whoever was connected still is"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", before), timeout=5)


def test_a_port_that_is_taken_leaves_all_as_it_is_and_says_so(configured: Callable[[int], Gateway]) -> None:
    gateway = configured(free_port())
    before = gateway.health()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        write_port(gateway.home, taken)
        done = gateway.xopc("gateway", "restart", "--wait", "20s")
    assert done.returncode == 1
    assert f"port {taken} at 127.0.0.1 is already in use" in done.stdout + done.stderr
    after = gateway.health()
    assert (after["gatewayPid"], after["generation"]) == (before["gatewayPid"], before["generation"])
    assert after["problems"] == ["hand-over"]


def test_a_crash_after_the_port_was_moved_on_disk_is_followed_at_the_new_port(
    configured: Callable[[int], Gateway],
) -> None:
    before, after = free_port(), free_port()
    gateway = configured(before)
    write_port(gateway.home, after)
    began = time.monotonic()
    os.kill(gateway.child_pid, signal.SIGKILL)
    until(lambda: gateway.port == after and gateway.health()["status"] == "healthy", "the new port is served")
    assert time.monotonic() - began < 10
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", before), timeout=5)


def test_a_stop_that_reaches_both_processes_lets_requests_finish(start: Start) -> None:
    gateway = start(child=SLOW_GATEWAY)
    answers: list[object] = []
    asking = threading.Thread(target=lambda: answers.append(gateway.request("GET", "/slow/1.5").json))
    asking.start()
    until(lambda: "GET /slow/1.5\n" in gateway.text, "it is in flight")
    os.kill(gateway.child_pid, signal.SIGTERM)
    gateway.signal(signal.SIGTERM)
    assert gateway.wait_until_ended() == 0
    asking.join(10)
    assert answers == [{"seconds": 1.5}]


def test_a_restart_that_comes_while_a_new_process_is_on_its_way_tears_nothing(start: Start) -> None:
    gateway = start(child=SLOW_GATEWAY)
    answers: list[object] = []
    asking = threading.Thread(target=lambda: answers.append(gateway.request("GET", "/slow/4").json))
    asking.start()
    until(lambda: "GET /slow/4\n" in gateway.text, "it is in flight")
    boot_id = respawn(gateway)
    until(lambda: (info := gateway.lock()) and info.candidate_pid, "the new process is on its way")
    assert gateway.request("POST", "/api/restart", body="{}", headers=JSON).status == 202
    asking.join(10)
    assert answers == [{"seconds": 4.0}]
    wait_for_another(gateway, boot_id)
    restart = gateway.request("GET", "/api/status").json["lastRestart"]
    assert (restart["kind"], restart["reason"]) == ("respawn", "by hand")


def test_an_edit_while_the_new_process_prepares_takes_effect(gateway: Gateway) -> None:
    boot_id = respawn(gateway)
    until(lambda: (info := gateway.lock()) and info.candidate_pid, "the new process is there")
    write_config(gateway.home, {"gateway": {"auth": {"token": "another-token-0123456789"}}})
    wait_for_another(gateway, boot_id)
    until(
        lambda: gateway.request("GET", "/api/status", token="another-token-0123456789").status == 200,
        "the new token counts",
    )


def test_a_new_process_that_cannot_start_is_told_of_and_the_old_one_goes_on(gateway: Gateway) -> None:
    before = gateway.health()
    good = (gateway.state / "xopc.json").read_text()
    write_config(gateway.home, '{"gateway": {"port": "many"}}')
    with Load(gateway.port, "/health", {}).running() as load:
        done = gateway.xopc("gateway", "restart", "--respawn", "--wait", "20s")
    assert done.returncode == 1
    assert "$.gateway.port" in done.stdout + done.stderr
    assert load.failures == []
    after = gateway.health()
    assert (after["gatewayPid"], after["status"]) == (before["gatewayPid"], "healthy")
    until(lambda: sorted(gateway.health()["problems"]) == ["configuration", "hand-over"], "both problems are told")
    write_config(gateway.home, good)
    assert gateway.xopc("gateway", "restart", "--respawn", "--wait", "20s").returncode == 0
    assert gateway.health()["problems"] == []


def test_sigterm_with_a_valid_intent_is_a_restart_and_without_one_a_stop(gateway: Gateway) -> None:
    boot_id = gateway.boot_id()
    assert boot_id is not None
    leave_intent(gateway, boot_id, "respawn", "an update")
    gateway.signal(signal.SIGTERM)
    wait_for_another(gateway, boot_id)
    assert gateway.request("GET", "/api/status").json["lastRestart"]["reason"] == "an update"
    leave_intent(gateway, boot_id, "respawn", "for a boot that is over")
    gateway.signal(signal.SIGTERM)
    assert gateway.wait_until_ended() == 0


def test_a_restart_by_the_service_manager_keeps_its_cause(start: Start) -> None:
    gateway = start(XOPC_SERVICE_MARKER="systemd")
    listener = Listener(gateway, Authorization=f"Bearer {TOKEN}")
    until(lambda: "HTTP/1.1 200" in listener.heard, "it listens")
    boot_id = gateway.boot_id()
    assert boot_id is not None
    leave_intent(gateway, boot_id, "respawn", "an update of the system")
    gateway.signal(signal.SIGTERM)
    assert gateway.wait_until_ended() == 0
    listener.join(10)
    assert '"reason":"restarting"' in listener.heard.replace(" ", "")
    again = start(XOPC_SERVICE_MARKER="systemd")
    restart = again.request("GET", "/api/status").json["lastRestart"]
    assert (restart["kind"], restart["reason"]) == ("respawn", "an update of the system")
    assert restart["durationMs"] > 0


def test_a_loop_that_hangs_is_ended_after_the_log_tells_where(home: Path, start: Start) -> None:
    write_config(home, {"gateway": {"auth": {"token": TOKEN}, "watchdogSeconds": 3}})
    gateway = start(child=HANGING_GATEWAY)
    boot_id = gateway.boot_id()
    assert boot_id is not None
    with contextlib.suppress(OSError, http.client.HTTPException):
        gateway.request("GET", "/hang/60")
    wait_for_another(gateway, boot_id)
    restart = gateway.request("GET", "/api/status").json["lastRestart"]
    assert (restart["kind"], restart["reason"]) == ("crash", "its event loop did not turn for 3 s")
    (log,) = (gateway.state / "logs").glob("app-*.log")
    (told,) = [line for line in map(json.loads, log.read_text().splitlines()) if "has not turned" in line["message"]]
    assert "time.sleep(seconds)" in told["traceback"]
    assert any("gateway/server: running" in row for row in told["tree"])


@pytest.mark.parametrize("moment", ["handing-over", "respawning"])
def test_the_supervisor_dies_during_a_hand_over_and_nobody_is_left(start: Start, moment: str) -> None:
    gateway = start(child=SLOW_GATEWAY)
    threading.Thread(target=_ask_slowly, args=[gateway.port], daemon=True).start()
    until(lambda: "GET /slow/3\n" in gateway.text, "it is in flight")
    respawn(gateway)
    until(lambda: (info := gateway.lock()) and info.state == moment, f"it is {moment}")
    gateway.process.kill()
    gateway.process.wait(10)
    until(lambda: not _of(gateway), "no process of this gateway is left")
    assert start().health()["status"] == "healthy"


def _ask_slowly(port: int) -> None:
    """Keep the old process from handing over at once."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client, contextlib.suppress(OSError):
        client.sendall(f"GET /slow/3 HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {TOKEN}\r\n\r\n".encode())
        client.recv(1)


def _of(gateway: Gateway) -> list[int]:
    """Processes whose environment says that they are this gateway's."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"XOPC_HOME={gateway.home}\0".encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found
