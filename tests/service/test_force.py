"""Making room for a gateway, with real processes that are in its way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.gateway import Behaviour, Running, running_gateway
from tests.ports import free_port
from xopc.cli.gateway.target import find_target
from xopc.contracts.errors import Failure, XopcError
from xopc.service import force as module
from xopc.service.force import TERM_SECONDS, Freed, collide, free
from xopc.service.lockfile import read_lock
from xopc.service.ports import PortStatus, inspect
from xopc_supervisor.contract import LockInfo, is_alive, start_time

LISTEN = """
import signal, socket, sys, time
server = socket.create_server((sys.argv[1], 0))
def term(number, frame):
    print("SIGTERM", time.monotonic(), flush=True)
    if sys.argv[2] == "exit":
        sys.exit(7)
    if sys.argv[2] == "close":
        server.close()
signal.signal(signal.SIGTERM, term)
print(server.getsockname()[1], flush=True)
while True:
    time.sleep(60)
"""
LOOPBACK = ("127.0.0.1",)


@contextmanager
def dummy(home: Path, on_term: str, host: str = "127.0.0.1") -> Generator[Running]:
    """A program that listens, says when SIGTERM comes, and then does `exit`, `close` or `ignore`."""
    command = [sys.executable, "-c", LISTEN, host, on_term]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Running(process, int(process.stdout.readline()), home)
        finally:
            process.kill()


def make_room(port: int, hosts: tuple[str, ...] = LOOPBACK) -> tuple[Freed, list[str]]:
    told: list[str] = []
    return free(port, hosts, read_lock(find_target(None).paths.lock_path), told.append), told


def test_row_013_a_free_port_is_left_as_it_is() -> None:
    assert make_room(free_port()) == (Freed((), 0, escalated_to_sigkill=False), [])


def test_rows_009_011_one_that_ends_by_itself_is_not_killed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TERM_SECONDS", 30)
    with dummy(home, "exit") as other:
        freed, told = make_room(other.port)
        assert other.process.wait(1) == 7
        assert inspect(other.port).status is PortStatus.FREE
    assert [one.process.pid for one in freed.killed] == [other.pid]
    assert freed.waited_ms < 30_000
    assert not freed.escalated_to_sigkill
    (sentence,) = told
    assert sentence.startswith(f"Port {other.port} is used by pid {other.pid}: {sys.executable} -c ")


def test_row_010_one_that_ignores_sigterm_is_killed_after_700_ms(home: Path) -> None:
    with dummy(home, "ignore") as other:
        freed, _ = make_room(other.port)
        died = time.monotonic()
        assert other.process.wait(1) == -signal.SIGKILL
        assert other.process.stdout is not None
        asked = float(other.process.stdout.readline().split()[1])
    assert TERM_SECONDS == 0.7
    assert 0.4 <= died - asked < 10, "the program may have been told late, on a busy machine"
    assert freed.escalated_to_sigkill
    assert 700 <= freed.waited_ms < 10_000


def test_one_that_gives_the_port_up_and_lives_on_may_live(home: Path) -> None:
    with dummy(home, "close") as other:
        assert not make_room(other.port)[0].escalated_to_sigkill
        assert other.process.poll() is None


def test_whoever_shares_a_socket_has_to_go_too(home: Path) -> None:
    code = (
        "import os, socket, time; s = socket.create_server(('127.0.0.1', 0));"
        "child = os.fork(); print(s.getsockname()[1], child, flush=True) if child else None; time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        port, child = map(int, parent.stdout.readline().split())
        freed, told = make_room(port)
        assert {one.process.pid for one in freed.killed} == {parent.pid, child}
        assert len(told) == 2
    assert not is_alive(child, None)


def test_one_at_another_address_is_not_in_the_way(home: Path) -> None:
    with dummy(home, "exit", "127.0.0.2") as other:
        assert make_room(other.port)[0].killed == ()
        assert other.process.poll() is None
        assert len(make_room(other.port, ("0.0.0.0",))[0].killed) == 1


@pytest.mark.parametrize(
    ("listening", "wanted", "expected"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("0.0.0.0", "127.0.0.1", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("::", "127.0.0.1", True),
        ("*", "::1", True),
        ("0.0.0.0", "::1", False),
        ("::1", "::", True),
        ("::1", "127.0.0.1", False),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("fe80::1%eth0", "fe80::1", True),
    ],
)
def test_two_addresses_collide_or_do_not(listening: str, wanted: str, expected: bool) -> None:
    assert collide(listening, wanted) is expected


def test_a_gateway_is_told_by_its_pid_and_ends(home: Path) -> None:
    with running_gateway(home, Behaviour(locked=False)) as gateway:
        freed, told = make_room(gateway.port)
        assert gateway.process.wait(1) == 0
    assert told == [f"A gateway runs already (pid {gateway.pid}); it is stopped."]
    assert len(freed.killed) == 1


def test_the_gateway_that_has_the_lock_ends_wherever_it_listens(home: Path) -> None:
    for wanted in (free_port(), 0):
        with running_gateway(home) as gateway:
            freed, _ = make_room(wanted)
            assert gateway.process.wait(1) == 0
        assert [one.process.pid for one in freed.killed] == [gateway.pid]


def test_all_that_a_dead_supervisor_left_has_to_go(home: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with running_gateway(home) as child, running_gateway(home, Behaviour(locked=False)) as candidate:
        path = find_target(None).paths.lock_path
        info = LockInfo.from_json(path.read_text())
        assert info is not None
        left = {"child_pid": child.pid, "candidate_pid": candidate.pid}
        path.write_text(info._replace(pid=dead.pid, start_time=1, **left).to_json())
        freed, _ = make_room(0)
    assert {one.process.pid for one in freed.killed} == {child.pid, candidate.pid}


def test_a_lock_that_names_a_stranger_does_not_get_it_killed(home: Path) -> None:
    with running_gateway(home) as gateway, dummy(home, "exit") as other:
        path = find_target(None).paths.lock_path
        path.write_text(path.read_text().replace(f'"pid": {gateway.pid}', f'"pid": {other.pid}'))
        path.write_text(path.read_text().replace(str(start_time(gateway.pid)), str(start_time(other.pid))))
        assert make_room(0)[0].killed == ()
        assert other.process.poll() is None


FAMILY = """
import os, signal, socket, subprocess, sys, time
server = socket.create_server(("127.0.0.1", 0))
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.set_inheritable(server.fileno(), True)
code = "import time; print('up', flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, close_fds=False, process_group=0)
child.stdout.readline()
print(server.getsockname()[1], flush=True)
print(child.pid, flush=True)
time.sleep(60)
"""


@contextmanager
def family(home: Path, **environ: str) -> Generator[tuple[Running, int]]:
    """A gateway that ignores SIGTERM, and its child, which shares the socket."""
    program = home / "bin" / "xopc"
    program.parent.mkdir(exist_ok=True)
    program.write_text(FAMILY)
    command = [sys.executable, str(program), "gateway"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environ}) as process:
        assert process.stdout is not None
        port, child = int(process.stdout.readline()), int(process.stdout.readline())
        started = start_time(child)
        try:
            yield Running(process, port, home), child
        finally:
            process.kill()
            if is_alive(child, started):
                os.kill(child, signal.SIGKILL)


def test_a_supervisor_that_does_not_end_is_killed_with_its_child(home: Path) -> None:
    with family(home) as (gateway, child):
        freed, told = make_room(gateway.port)
        assert gateway.process.wait(1) == -signal.SIGKILL
        assert not is_alive(child, None)
        assert inspect(gateway.port).status is PortStatus.FREE
    assert [one.process.pid for one in freed.killed] == [gateway.pid]
    assert freed.escalated_to_sigkill
    assert told == [f"A gateway runs already (pid {gateway.pid}); it is stopped."], "they are one gateway"


def test_nobody_is_signalled_where_somebody_may_not_be(home: Path) -> None:
    with family(home, XOPC_SERVICE_MARKER="systemd") as (gateway, child):
        with pytest.raises(XopcError, match=r"systemd keeps the gateway there running \(pid") as caught:
            make_room(gateway.port)
        assert gateway.process.poll() is None
        assert is_alive(child, None)
    assert caught.value.failure is Failure.CONFLICT
    assert "stop" in caught.value.message


def test_oneself_is_never_signalled() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(XopcError, match=f"this command runs inside of pid {os.getpid()}, which listens there"):
            make_room(port)


def test_a_parent_is_never_signalled(home: Path) -> None:
    code = (
        "import socket, subprocess, sys\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "ask = 'import sys; from pathlib import Path; from xopc.service.force import free;'\n"
        "ask += 'from xopc.service.lockfile import read_lock;'\n"
        'ask += \'free(int(sys.argv[1]), ("127.0.0.1",), read_lock(Path("none")), print)\'\n'
        "args = [sys.executable, '-c', ask, str(server.getsockname()[1])]\n"
        "print(subprocess.run(args, capture_output=True, text=True).stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert "this command runs inside of pid" in done.stdout


def test_one_that_is_started_anew_by_somebody_is_told(home: Path) -> None:
    code = (
        "import os, socket, time\n"
        "s = socket.create_server(('127.0.0.1', 0)); port = s.getsockname()[1]; print(port, flush=True); s.close()\n"
        "def serve():\n"
        "    s = socket.create_server(('127.0.0.1', port)); print(os.getpid(), flush=True); time.sleep(60)\n"
        "for _ in range(20):\n"
        "    if (child := os.fork()) == 0: serve()\n"
        "    os.waitpid(child, 0)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as keeper:
        assert keeper.stdout is not None
        port, first = int(keeper.stdout.readline()), int(keeper.stdout.readline())
        with pytest.raises(XopcError, match=f"Port {port} still has listeners after force free") as caught:
            make_room(port)
        keeper.kill()
        for one in inspect(port).listeners:
            assert one.pid is not None
            assert f"pid {one.pid}: " in caught.value.message
            assert one.pid != first
            os.kill(one.pid, signal.SIGKILL)
