import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from xopc_supervisor import contract
from xopc_supervisor.child import NOT_FOR_CHILDREN, Child, spawn

ECHO = """
import json, os, socket
inheritance = json.loads(os.environ["XOPC_INHERITANCE"])
line = socket.socket(fileno=inheritance["line_fd"])
print = lambda *words: line.sendall((" ".join(map(str, words)) + "\\n").encode())
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Starts a child that runs some lines of Python, with one listening socket and a lock."""
    lock_fd = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    listener = socket.create_server(("127.0.0.1", 0))

    def start(code: str, environ: Mapping[str, str] | None = None, heirloom: socket.socket | None = None) -> Child:
        return spawn(
            [sys.executable, "-c", ECHO + code],
            environ or os.environ,
            lock_fd=lock_fd,
            listeners=[listener],
            boot_id="boot",
            heirloom=heirloom,
        )

    yield start
    listener.close()
    os.close(lock_fd)


def hear_all(child: Child) -> list[str]:
    """All that the child says until it closes its line."""
    words: list[str] = []
    deadline = time.monotonic() + 20
    while child.fileno() >= 0 and time.monotonic() < deadline:
        words += child.hear()
        time.sleep(0.005)
    os.waitpid(child.pid, 0)
    child.bury()
    return words


def test_a_child_has_its_own_group_no_terminal_and_its_inheritance(start: Callable[..., Child]) -> None:
    child = start("print(os.getpgid(0) == os.getpid(), os.read(0, 1), inheritance['boot_id'])")
    assert child.boot_id == "boot"
    assert hear_all(child) == ["True b'' boot"]


def test_a_spare_knows_that_it_is_one(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        code = ECHO + "print(inheritance['is_spare'], inheritance['heirloom_fd'])"
        command = [sys.executable, "-c", code]
        child = spawn(command, os.environ, lock_fd=lock.fileno(), listeners=[], boot_id="boot", is_spare=True)
        assert child.is_spare
        assert hear_all(child) == ["True None"]


def test_lock_and_sockets_are_open_in_the_child_and_close_on_exec_in_the_supervisor(tmp_path: Path) -> None:
    code = "print(*[bool(os.fstat(fd)) for fd in [inheritance['lock_fd'], *inheritance['listen_fds']]])"
    with (tmp_path / "lock").open("w") as lock, socket.create_server(("127.0.0.1", 0)) as listener:
        child = spawn(
            [sys.executable, "-c", ECHO + code],
            os.environ,
            lock_fd=lock.fileno(),
            listeners=[listener],
            boot_id="boot",
        )
        assert hear_all(child) == ["True True"]
        assert not os.get_inheritable(lock.fileno())
        assert not listener.get_inheritable()


def test_a_process_beside_another_has_its_end_of_the_heirloom(start: Callable[..., Child]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = start("print(os.read(inheritance['heirloom_fd'], 10))", heirloom=theirs)
        ours.sendall(b"a watch")
        assert hear_all(child) == ["b'a watch'"]
        assert not theirs.get_inheritable()


def test_descriptors_go_with_their_word(start: Callable[..., Child]) -> None:
    child = start("_, fds, _, _ = socket.recv_fds(line, 100, 4)\nprint(os.write(fds[0], b'hello'))")
    reader, writer = os.pipe()
    assert child.tell("sockets 1", [writer])
    os.close(writer)
    assert hear_all(child) == ["5"]
    assert os.read(reader, 10) == b"hello"
    os.close(reader)


def test_what_a_service_manager_says_to_its_main_process_is_not_passed_on(start: Callable[..., Child]) -> None:
    environ = {**os.environ, **dict.fromkeys(NOT_FOR_CHILDREN, "1"), "KEPT": "1"}
    child = start("print('KEPT' in os.environ, [n for n in os.environ if 'LISTEN' in n or 'NOTIFY' in n])", environ)
    assert hear_all(child) == ["True []"]


def test_words_are_cut_at_line_ends_wherever_the_packets_end(start: Callable[..., Child]) -> None:
    child = start(
        "import time\nfor part in [b'sta', b'ndby 0.1', b'.0 1\\nlist', b'ening\\n', b'unfinished']:\n"
        "    line.sendall(part); time.sleep(0.02)"
    )
    assert hear_all(child) == ["standby 0.1.0 1", "listening"]


def test_telling_never_waits_for_a_child_that_does_not_read(start: Callable[..., Child]) -> None:
    child = start("import time\nprint('up'); time.sleep(60)")
    while not child.hear():
        time.sleep(0.005)
    began = time.monotonic()
    assert child.tell("restart in-process why")
    while child.tell("x" * 4000):
        pass
    assert time.monotonic() - began < 5
    child.signal(signal.SIGKILL)
    os.waitpid(child.pid, 0)
    assert not child.tell("too late")
    child.bury()


def test_a_told_line_stays_one_line(start: Callable[..., Child]) -> None:
    child = start("print(repr(line.recv(100)))")
    child.tell("restart in-process a reason\nwith a line end")
    assert hear_all(child) == [repr(b"restart in-process a reason with a line end\n")]


def test_burying_a_child_kills_what_is_left_of_its_group(start: Callable[..., Child]) -> None:
    child = start("line.set_inheritable(False)\nprint(os.spawnlp(os.P_NOWAIT, 'sleep', 'sleep', '60'))")
    (orphan,) = hear_all(child)
    deadline = time.monotonic() + 5
    while contract.is_alive(int(orphan), None) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not contract.is_alive(int(orphan), None)


def test_a_signal_to_a_dead_child_is_no_error(start: Callable[..., Child]) -> None:
    child = start("")
    os.waitpid(child.pid, 0)
    child.signal(signal.SIGTERM)
    child.bury()


def test_a_program_that_is_missing_is_an_oserror(tmp_path: Path) -> None:
    lock_fd = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    with pytest.raises(OSError, match="No such file"):
        spawn(["/nowhere/python"], {}, lock_fd=lock_fd, listeners=[], boot_id="")
    os.close(lock_fd)
