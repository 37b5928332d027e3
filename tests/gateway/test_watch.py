from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio

from xopc.contracts.api.status import TaskState, TreeNode
from xopc.core.tasks import Node
from xopc.gateway.watch import Watch, stacks

TICK = 0.01


class Log:
    """The reports, as they came."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def write(self, message: str, **fields: object) -> None:
        self.lines.append((message, fields))


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def root() -> Node:
    root = Node("gateway", TaskState.RUNNING)
    root.add("server", state=TaskState.RUNNING)
    root.add("generation", state=TaskState.FAILED).last_error = "ValueError: no"
    return root


@pytest.fixture
def watch(root: Node, log: Log) -> Iterator[Watch]:
    with Watch(root.snapshot, log.write, tick_seconds=TICK) as watch:
        yield watch


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(TICK / 2)


def hang_here(until_told: Callable[[], object]) -> None:
    until(until_told)


async def test_a_loop_that_turns_is_left_alone(watch: Watch, log: Log) -> None:
    watch.seconds = 100 * TICK
    for _ in range(50):
        watch.beat()
        await trio.sleep(TICK)
    assert log.lines == []


def test_a_loop_that_hangs_is_told_once_with_all_stacks_and_the_tree(watch: Watch, log: Log) -> None:
    released = threading.Event()
    helper = threading.Thread(target=released.wait, args=(20,), name="a helper")
    helper.start()
    watch.seconds = 6 * TICK
    watch.beat()
    hang_here(lambda: log.lines)
    time.sleep(20 * TICK)
    released.set()
    helper.join()
    [(message, fields)] = log.lines
    assert message == "The event loop has not turned for 0.04 s."
    assert fields["tree"] == [
        "gateway: running",
        "gateway/server: running",
        "gateway/generation: failed, last error: ValueError: no",
    ]
    loop, others = fields["traceback"].split("Thread a helper:")
    assert loop.startswith("Thread the event loop:\n")
    assert "in hang_here" in loop
    assert "in wait" in others
    assert "Thread watch" not in fields["traceback"]


def test_a_loop_that_turns_again_is_told_with_how_long_it_stood(watch: Watch, log: Log) -> None:
    watch.seconds = 3 * TICK
    watch.beat()
    hang_here(lambda: log.lines)
    watch.beat()
    until(lambda: len(log.lines) == 2)
    assert log.lines[1][0].startswith("The event loop turns again; it stood still for 0.")
    hang_here(lambda: len(log.lines) == 3)
    assert "has not turned" in log.lines[2][0]


def test_nothing_is_watched_before_the_first_beat_or_when_it_is_off(watch: Watch, log: Log) -> None:
    watch.seconds = TICK
    time.sleep(20 * TICK)
    watch.seconds = 0
    watch.beat()
    time.sleep(20 * TICK)
    assert log.lines == []


def test_the_limit_of_another_generation_holds_at_once(watch: Watch, log: Log) -> None:
    watch.seconds = 1000
    watch.beat()
    time.sleep(20 * TICK)
    assert log.lines == []
    watch.seconds = 3 * TICK
    hang_here(lambda: log.lines)


def test_a_tree_that_cannot_be_read_does_not_keep_the_stacks_back(log: Log) -> None:
    def broken() -> TreeNode:
        raise RuntimeError("list changed size")

    with Watch(broken, log.write, tick_seconds=TICK) as watch:
        watch.seconds = TICK
        watch.beat()
        hang_here(lambda: log.lines)
    fields = log.lines[0][1]
    assert fields["tree"] == ["cannot be read: RuntimeError('list changed size')"]
    assert "in hang_here" in fields["traceback"]


def test_the_thread_ends_with_the_watch(root: Node, log: Log) -> None:
    with Watch(root.snapshot, log.write):
        assert "watch" in [thread.name for thread in threading.enumerate()]
    assert "watch" not in [thread.name for thread in threading.enumerate()]


SUSPENDED = f"""
import threading, time
from xopc.core.tasks import Node
from xopc.gateway.watch import Watch
with Watch(Node("gateway").snapshot, lambda *_, **__: print("told", flush=True), tick_seconds={TICK}) as watch:
    watch.seconds = 0.6
    for beat in range(40):
        watch.beat()
        print("beat", flush=True)
        time.sleep({TICK})
"""


def test_time_in_which_the_process_is_suspended_does_not_count() -> None:
    process = subprocess.Popen([sys.executable, "-c", SUSPENDED], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(5):
        assert process.stdout.readline() == "beat\n"
    process.send_signal(signal.SIGSTOP)
    time.sleep(1)
    process.send_signal(signal.SIGCONT)
    rest, _ = process.communicate(timeout=20)
    assert rest == "beat\n" * 35


def test_the_thread_that_asks_is_not_among_the_stacks() -> None:
    released = threading.Event()
    helper = threading.Thread(target=released.wait, args=(20,), name="a helper")
    helper.start()
    text = stacks(first=0)
    released.set()
    helper.join()
    assert "Thread a helper:" in text
    assert "test_the_thread_that_asks" not in text


IN_C = """
import re, sys
from xopc.gateway.watch import dump_on_abort
print(dump_on_abort(), flush=True)
re.match("(a+)+$", "a" * 60 + "b")
"""


def test_a_hang_that_keeps_the_interpreter_s_lock_shows_at_the_abort() -> None:
    process = subprocess.Popen([sys.executable, "-c", IN_C], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGABRT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in errors
    assert 'File "<string>", line 5 in <module>' in errors


def test_a_process_without_standard_error_dumps_nothing() -> None:
    code = "from xopc.gateway.watch import dump_on_abort; print(dump_on_abort())"
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, code], stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout == "False\n"
