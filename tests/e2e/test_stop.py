"""Stopping: by signal, by command, in good time, and with nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.harness import TOKEN, Gateway, is_refused, until, write_config
from xopc_supervisor.contract import is_alive

Start = Callable[..., Gateway]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["row_098_sigterm", "rows_004_099_sigint"])
def test_row_103_a_stop_leaves_no_lock_no_port_and_no_process(gateway: Gateway, number: int) -> None:
    port, child = gateway.port, gateway.child_pid
    assert gateway.health()["status"] == "healthy"
    gateway.signal(number)
    assert gateway.wait_until_ended() == 0
    assert gateway.lock_file() is None
    assert is_refused(port)
    assert not is_alive(child, None)


def test_a_signal_to_the_child_itself_means_the_same(gateway: Gateway) -> None:
    os.kill(gateway.child_pid, signal.SIGTERM)
    assert gateway.wait_until_ended() == 0
    assert gateway.lock_file() is None


def test_rows_014_033_stop_from_another_terminal(gateway: Gateway) -> None:
    pid, port = gateway.process.pid, gateway.port
    done = gateway.xopc("gateway", "stop")
    assert done.returncode == 0, done.stderr
    assert f"✅ Gateway stop signal sent to unmanaged process on port {port}: {pid}." in done.stdout
    assert gateway.wait_until_ended() == 0


def test_row_032_stop_as_json(gateway: Gateway) -> None:
    done = gateway.xopc("gateway", "stop", "--json")
    assert done.returncode == 0
    assert '"result": "stopped"' in done.stdout
    assert gateway.wait_until_ended() == 0


def test_stopping_what_does_not_run_is_no_error(gateway: Gateway) -> None:
    # At the default port somebody else's may listen.
    write_config(gateway.home, {"gateway": {"port": gateway.port, "auth": {"token": TOKEN}}})
    gateway.xopc("gateway", "stop")
    gateway.wait_until_ended()
    again = gateway.xopc("gateway", "stop", "--json")
    assert again.returncode == 0
    assert '"result": "not-loaded"' in again.stdout


def test_a_gateway_of_another_configuration_at_the_port_is_named_and_goes_on(gateway: Gateway, tmp_path: Path) -> None:
    other = tmp_path / "other" / "xopc.json"
    other.parent.mkdir()
    other.write_text(json.dumps({"gateway": {"port": gateway.port, "auth": {"token": TOKEN}}}))
    done = gateway.xopc("gateway", "stop", "--config", str(other))
    assert done.returncode == 1
    said = f"the gateway at port {gateway.port} (pid {gateway.process.pid}) has another configuration"
    assert f"{said}. To stop that one: xopc gateway stop\n" in done.stderr
    assert gateway.health()["status"] == "healthy"


def half_a_request(port: int) -> socket.socket:
    """A client that has begun and does not go on: to the gateway a request in flight."""
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    lines = ("POST /api/restart HTTP/1.1", "Host: localhost", f"X-Api-Key: {TOKEN}", "Content-Length: 100")
    client.sendall("\r\n".join([*lines, "Expect: 100-continue", "", ""]).encode())
    assert client.recv(1000).startswith(b"HTTP/1.1 100 "), "the gateway waits for the body"
    client.sendall(b"{")
    return client


def test_row_102_what_is_still_pending_after_five_seconds_is_cut(gateway: Gateway) -> None:
    with half_a_request(gateway.port):
        began = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert gateway.wait_until_ended() == 0
        assert time.monotonic() - began <= 6.5
    assert gateway.lock_file() is None


def test_ctrl_c_twice_does_not_wait(gateway: Gateway) -> None:
    with half_a_request(gateway.port):
        gateway.signal(signal.SIGINT)
        until(lambda: "Stopping" in gateway.text, "the first Ctrl-C is taken")
        began = time.monotonic()
        gateway.signal(signal.SIGINT)
        assert gateway.wait_until_ended() == 0
        assert time.monotonic() - began < 2
    assert gateway.lock_file() is None


def test_a_hung_gateway_is_killed_after_six_seconds(gateway: Gateway) -> None:
    os.kill(gateway.child_pid, signal.SIGSTOP)
    began = time.monotonic()
    gateway.signal(signal.SIGTERM)
    assert gateway.wait_until_ended() == 0
    assert 5.5 <= time.monotonic() - began < 8
    assert gateway.lock_file() is None
