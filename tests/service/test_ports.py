"""Who listens at a port, asked of the real system."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.fakes.gateway import running_gateway, stranger
from tests.ports import free_port
from xopc.service.ports import Listener, PortStatus, PortUse, inspect, parse_lsof


def explain(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "xopc.service.ports", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)


def test_a_port_where_nobody_listens_is_free() -> None:
    port = free_port()
    assert inspect(port) == PortUse(port, PortStatus.FREE)


def test_a_connection_from_a_port_does_not_make_it_busy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert inspect(client.getsockname()[1]).status is PortStatus.FREE


def test_a_stranger_is_named_with_its_command_and_address(home: Path) -> None:
    with stranger(home) as process:
        use = inspect(process.port)
    assert use.status is PortStatus.BUSY
    (listener,) = use.strangers
    assert (listener.pid, listener.address) == (process.pid, f"127.0.0.1:{process.port}")
    assert listener.command is not None
    assert "create_server" in listener.command
    assert use.gateways == ()
    assert use.hints == (f"Port {process.port} is used by pid {process.pid}: {listener.command}.",)
    assert use.to_text() == [
        f"Port {process.port}: busy",
        f"  Listener: pid={process.pid} cmd={listener.command} addr=127.0.0.1:{process.port}",
    ]
    assert use.to_json()["listeners"] == [
        {"pid": process.pid, "address": listener.address, "commandLine": listener.command, "kind": "other"}
    ]


def test_a_gateway_is_known_as_one(home: Path) -> None:
    with running_gateway(home) as gateway:
        use = inspect(gateway.port)
    assert use.gateways == (gateway.pid,)
    assert use.strangers == ()
    assert use.hints == (f"xopc gateway is already running (pid {gateway.pid}).",)


def test_both_addresses_of_one_port_are_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
        with socket.create_server(("127.0.0.2", port)):
            addresses = {listener.address for listener in inspect(port).listeners}
    assert addresses == {f"127.0.0.1:{port}", f"127.0.0.2:{port}"}


def test_a_command_cannot_move_the_terminals_cursor(home: Path) -> None:
    code = (
        "import socket,time;s=socket.create_server(('127.0.0.1',0));print(s.getsockname()[1],flush=True);time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, "\x1b[2J", "x" * 300], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            (listener,) = inspect(int(process.stdout.readline())).listeners
        finally:
            process.kill()
    assert listener.command is not None
    assert "\x1b" not in listener.command
    assert len(listener.command) == 201


def test_a_listener_that_may_not_be_seen_is_told_with_the_way_to_see_it() -> None:
    use = PortUse(80, PortStatus.BUSY, (Listener(None, "0.0.0.0:80"),))
    assert use.hints == ("Port 80 is used by a process that this user may not see.",)
    assert use.to_text()[1] == "  Listener: pid=? cmd=? addr=0.0.0.0:80"
    assert use.listeners[0].to_json()["kind"] == "unknown"


LSOF = """p321
cnode
f20
n127.0.0.1:18790
p4711
cpython3.11
f5
n127.0.0.1:18790
f6
n[::1]:18790
"""


def test_the_output_of_lsof_is_read() -> None:
    assert parse_lsof(LSOF) == [
        Listener(321, "127.0.0.1:18790"),
        Listener(4711, "127.0.0.1:18790"),
        Listener(4711, "[::1]:18790"),
    ]
    assert parse_lsof("") == []


def forbid(patch: pytest.MonkeyPatch, lsof: str | None, directory: Path) -> None:
    """A system that shows the sockets of other processes to nobody, as macOS does; lsof is there, or is not."""

    def refuse(kind: str) -> Sequence[object]:
        raise psutil.AccessDenied

    patch.setattr(psutil, "net_connections", refuse)
    patch.setenv("PATH", str(directory))
    if lsof is not None:
        program = directory / "lsof"
        program.write_text(f"#!/bin/sh\nprintf '{lsof}'\n")
        program.chmod(0o755)


def test_where_the_system_refuses_lsof_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid(monkeypatch, f"p{os.getpid()}\\nn127.0.0.1:5\\n", tmp_path)
    use = inspect(5)
    assert use.status is PortStatus.BUSY
    assert [(listener.pid, listener.address) for listener in use.listeners] == [(os.getpid(), "127.0.0.1:5")]
    assert len(use.errors) == 1


def test_where_nobody_can_tell_binding_the_port_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid(monkeypatch, None, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert inspect(port).status is PortStatus.BUSY
    use = inspect(port)
    assert use.status is PortStatus.FREE
    assert len(use.errors) == 2
    assert use.to_text()[-1].startswith("Port diagnostics errors: ")


def test_lsof_that_finds_nothing_is_not_believed_before_binding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, "", tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert inspect(server.getsockname()[1]).status is PortStatus.BUSY


def test_a_person_is_told_who_it_is_and_what_to_do(home: Path) -> None:
    with stranger(home) as process:
        done = explain(process.port)
    assert done.returncode == 0
    assert f"Port {process.port} is used by pid {process.pid}: " in done.stdout
    assert "choose another --port" in done.stdout


def test_a_person_is_told_that_a_gateway_runs_already(home: Path) -> None:
    with running_gateway(home) as gateway:
        done = explain(gateway.port)
    assert f"xopc gateway is already running (pid {gateway.pid})." in done.stdout
    assert f"`kill {gateway.pid}`" in done.stdout


def test_a_port_that_is_free_by_now_is_told() -> None:
    done = explain(free_port())
    assert (done.returncode, done.stderr) == (0, "")
    assert "is free by now" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["x"], ["1", "2"], ["-1"]])
def test_it_wants_one_port(arguments: list[str]) -> None:
    done = explain(*arguments)
    assert done.returncode == 2
    assert "usage" in done.stderr


def test_all_who_hold_one_socket_are_seen_and_told_with_all_their_addresses(home: Path) -> None:
    code = (
        "import os, socket, time; s = socket.create_server(('127.0.0.1', 0)); port = s.getsockname()[1];"
        "t = socket.create_server(('127.0.0.2', port));"
        "child = os.fork(); print(port, child, flush=True) if child else None; time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        port, child = map(int, parent.stdout.readline().split())
        use = inspect(port)
        os.kill(child, signal.SIGKILL)
        parent.kill()
    assert {one.pid for one in use.listeners} == {parent.pid, child}
    assert len(use.listeners) == 4
    lines = [line for line in use.to_text() if f"pid={child} " in line]
    assert len(lines) == 1
    assert lines[0].endswith(f" addr=127.0.0.1:{port},127.0.0.2:{port}")


def test_a_service_manager_that_keeps_a_gateways_socket_is_no_stranger() -> None:
    manager = Listener(7, "127.0.0.1:1", "systemd --user", is_manager=True)
    gateway = Listener(8, "127.0.0.1:1", "xopc gateway", gateway_pid=8)
    assert PortUse(1, PortStatus.BUSY, (manager, gateway)).strangers == ()
    assert PortUse(1, PortStatus.BUSY, (manager,)).strangers == (manager,)


def test_a_service_manager_keeps_a_socket_and_the_first_process_of_a_container_uses_it() -> None:
    assert Listener(7, "127.0.0.1:1", "/lib/systemd/systemd --user", is_manager=True).only_keeps_it
    assert Listener(1, "127.0.0.1:1", "/sbin/init", is_manager=True).only_keeps_it
    assert not Listener(1, "127.0.0.1:1", "nginx -g daemon off;", is_manager=True).only_keeps_it
    assert not Listener(8, "127.0.0.1:1", "/opt/systemd").only_keeps_it


@pytest.mark.parametrize(
    ("address", "host"), [("127.0.0.1:80", "127.0.0.1"), ("[::1]:80", "::1"), ("*:80", "*"), ("[::]:80", "::")]
)
def test_an_address_has_a_host(address: str, host: str) -> None:
    assert Listener(1, address).host == host


def test_a_neighbour_is_somebody_else_at_the_other_address_of_localhost() -> None:
    ours, child = Listener(1, "127.0.0.1:80", gateway_pid=1), Listener(2, "127.0.0.1:80", gateway_pid=1)
    theirs = Listener(3, "[::1]:80")

    def neighbour(*listeners: Listener) -> Listener | None:
        return PortUse(80, PortStatus.BUSY, listeners).neighbour({1})

    assert neighbour(ours, child, theirs) == theirs
    assert neighbour(child, Listener(4, "[::]:80")) == Listener(4, "[::]:80")
    assert neighbour(ours, child) is None
    assert neighbour(ours, Listener(1, "[::1]:80"), theirs) is None, "a service manager keeps the same socket"
    assert neighbour(Listener(None, "127.0.0.1:80"), Listener(None, "[::1]:80")) is None, "nobody can tell whose"
