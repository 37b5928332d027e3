"""What the supervisor says when it cannot begin: as a process, with a launch of the test's own."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.supervisor.test_loop import until
from xopc_supervisor import contract
from xopc_supervisor.child import NOT_FOR_CHILDREN
from xopc_supervisor.contract import Address, Launch, LockInfo, start_time
from xopc_supervisor.sockets import listen

FAKE = Path(__file__).parents[1] / "fakes" / "supervised_child.py"


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    return Launch(
        config_path=str(tmp_path / "xopc.json"),
        state_dir=str(tmp_path),
        lock_path=str(tmp_path / "locks" / "gateway.lock"),
        intent_path=str(tmp_path / "intent.json"),
        log_dir=str(tmp_path / "logs"),
        listen=(Address("127.0.0.1", 0),),
        command=(sys.executable, str(FAKE)),
        explain_port=(sys.executable, "-c", "import sys; print('who listens at', sys.argv[1])"),
        version_file=str(tmp_path / "version.py"),
        ready_text="ready",
        flags={},
    )


SERVICE_MANAGER = """
import os, sys
for number, fd in enumerate(sys.argv[1:]):
    os.dup2(int(fd), 3 + number)
    os.close(int(fd))
os.environ["LISTEN_PID"] = os.environ.get("LISTEN_PID") or str(os.getpid())
os.execv(sys.executable, [sys.executable, "-m", "xopc_supervisor", "gateway"])
"""
"""Executes the supervisor with descriptors from 3 on."""


def start(launch: Launch | None, *handed: socket.socket, **environ: str) -> subprocess.Popen[str]:
    """Start a supervisor, by a service manager that hands it these sockets, or by hand where there are none."""
    command = [sys.executable, "-m", "xopc_supervisor", "gateway"]
    fds = [fcntl.fcntl(each, fcntl.F_DUPFD, 100) for each in handed]  # out of the way of 3, 4, ...
    if fds:
        command = [sys.executable, "-c", SERVICE_MANAGER, *map(str, fds)]
        environ["LISTEN_FDS"] = str(len(fds))
    try:
        return _start(launch, command, fds, environ)
    finally:
        for fd in fds:
            os.close(fd)


def _start(launch: Launch | None, command: list[str], fds: list[int], environ: dict[str, str]) -> subprocess.Popen[str]:
    launched = {} if launch is None else {contract.LAUNCH_VARIABLE: launch.to_json()}
    fake = {"FAKE_CHILD": "ready,hang", "FAKE_CHILD_LOG": f"{launch.state_dir}/notes" if launch else ""}
    return subprocess.Popen(
        command,
        env={**os.environ, **launched, **fake, **environ},
        pass_fds=fds,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=20)
    return process.returncode, output


def test_started_by_hand_it_says_how_to_start_the_gateway() -> None:
    code, output = ended(start(None))
    assert code == contract.EXIT_USAGE
    assert "xopc gateway" in output


def test_a_taken_port_is_told_with_who_has_it_and_leaves_no_lock(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, output = ended(start(launch._replace(listen=(Address("127.0.0.1", port),))))
    assert code == contract.EXIT_FAILURE
    sentence = f"❌ Port {port} is already in use. Use --force to kill existing process."
    assert output == f"{sentence}\nwho listens at {port}\n"
    assert not Path(launch.lock_path).exists()


def test_under_a_service_manager_a_taken_port_is_waited_for(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = start(launch._replace(listen=(Address("127.0.0.1", port),)), XOPC_SERVICE_MARKER="systemd")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.6)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 0


def test_an_address_that_is_not_there_is_named(launch: Launch) -> None:
    code, output = ended(start(launch._replace(listen=(Address("192.0.2.1", 18790),))))
    assert code == contract.EXIT_FAILURE
    assert "no address 192.0.2.1" in output
    assert "gateway.bind" in output


def test_under_a_service_manager_loopback_stands_in_for_an_address_that_is_not_there(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = start(launch._replace(listen=(Address("198.51.100.7", port),)), XOPC_SERVICE_MARKER="systemd")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert born(launch)["ports"] == [port]
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 0


@pytest.mark.parametrize(("marker", "code"), [("", 1), ("systemd", 78), ("launchd", 0)])
def test_a_held_lock_names_its_owner(launch: Launch, marker: str, code: int) -> None:
    owner = LockInfo(os.getpid(), start_time(os.getpid()), launch.config_path, "")
    path = Path(launch.lock_path)
    path.parent.mkdir()
    path.write_text(owner.to_json())
    with path.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended_with, output = ended(start(launch, XOPC_SERVICE_MARKER=marker))
    assert ended_with == code
    assert f"❌ Gateway already running (pid {os.getpid()}) with {launch.config_path}." in output
    assert "xopc gateway stop" in output


@pytest.mark.parametrize("marker", ["", "systemd", "launchd", "schtasks"])
def test_a_lock_that_a_restore_holds_is_waited_for_by_the_manager(launch: Launch, marker: str) -> None:
    path = Path(launch.lock_path)
    path.parent.mkdir()
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended_with, output = ended(start(launch, XOPC_SERVICE_MARKER=marker))
    assert ended_with == contract.EXIT_FAILURE, "every manager starts it again"
    assert f"❌ {path} is held by a process that is no gateway (pid {os.getpid()}), such as xopc restore." in output


def test_a_lock_that_cannot_be_made_names_its_path_and_a_cure(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("a file where a directory should be")
    code, output = ended(start(launch))
    assert code == contract.EXIT_FAILURE
    assert output.startswith(f"❌ {tmp_path}/locks is not a directory.\n   ")


def test_ctrl_c_while_it_waits_for_the_port_ends_it_quietly(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = start(launch._replace(listen=(Address("127.0.0.1", port),)), XOPC_SERVICE_MARKER="systemd")
        path = Path(launch.lock_path)
        while not (path.exists() and path.read_text()):
            assert process.poll() is None
        process.send_signal(signal.SIGUSR1)  # before it can restart anything, it is ignored
        process.send_signal(signal.SIGINT)
        code, output = ended(process)
    assert (code, output) == (0, "")
    assert not Path(launch.lock_path).exists()


def born(launch: Launch) -> dict[str, Any]:
    """What the child noted when it began."""
    return json.loads((Path(launch.state_dir) / "notes").read_text().splitlines()[0])


def test_a_socket_that_the_service_manager_kept_is_used_and_the_rest_leaves_the_store(launch: Launch) -> None:
    (kept,) = listen([Address("127.0.0.1", 0)])
    (other,) = listen([Address("127.0.0.2", 0)])
    port = kept.getsockname()[1]
    addresses = (Address("127.0.0.1", port), Address("127.0.0.3", port))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, kept, other:
        unwanted = os.fstat(other.fileno())
        manager.bind(f"{launch.state_dir}/notify")
        manager.settimeout(10)
        environ = {"NOTIFY_SOCKET": f"{launch.state_dir}/notify", "LISTEN_FDNAMES": "mine:another"}
        process = start(launch._replace(listen=addresses), kept, other, **environ)
        heard = [manager.recv(200).decode().splitlines() for _ in range(4)]
    assert heard == [
        ["FDSTOREREMOVE=1", "FDNAME=another"],
        ["FDSTORE=1", f"FDNAME=listen-{port}-127.0.0.1"],
        ["FDSTORE=1", f"FDNAME=listen-{port}-127.0.0.3"],
        ["READY=1"],
    ]
    note = born(launch)
    has_unwanted = any(os.path.samestat(fd.stat(), unwanted) for fd in Path(f"/proc/{note['pid']}/fd").iterdir())
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 0
    assert note["ports"] == [port, port]
    assert not set(NOT_FOR_CHILDREN) & set(note["environment"])
    assert not has_unwanted


def test_sockets_meant_for_another_process_are_left_alone(launch: Launch) -> None:
    (given,) = listen([Address("127.0.0.1", 0)])
    with given:
        process = start(launch, given, LISTEN_PID=str(os.getpid()))
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert born(launch)["ports"] != [given.getsockname()[1]]
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 0


def test_where_the_standard_streams_are_closed_nothing_else_takes_their_place(launch: Launch) -> None:
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-m", "xopc_supervisor", "gateway"]
    with _start(launch, command, [], {"FAKE_CHILD": "wait:0.3,exit:1|ready,hang"}) as process:
        info = until(lambda: info if (info := _lock_info(launch)) and info.state == "serving" else None)
        assert info.child_pid is not None
        for pid in (process.pid, info.child_pid):
            assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)} == {os.devnull}
        held = {os.readlink(f"/proc/{info.child_pid}/fd/{fd}") for fd in os.listdir(f"/proc/{info.child_pid}/fd")}
        assert launch.lock_path in held
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def _lock_info(launch: Launch) -> LockInfo | None:
    try:
        return LockInfo.from_json(Path(launch.lock_path).read_text())
    except FileNotFoundError:
        return None
