from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.gateway import Behaviour, running_gateway
from xopc.config.paths import Paths, resolve_paths
from xopc.service.starters.loops import find_loops

LOOP = "read line; xopc gateway"


@pytest.fixture
def paths(home: Path) -> Paths:
    return resolve_paths({"XOPC_HOME": str(home)})


@pytest.fixture
def loop(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        ["sh", "-c", LOOP], stdin=subprocess.PIPE, env={"HOME": str(home), "PATH": os.environ["PATH"]}
    )
    yield process
    process.kill()
    process.communicate(timeout=10)


def test_a_shell_that_will_start_one_is_found(loop: subprocess.Popen[bytes], paths: Paths) -> None:
    (starter,) = find_loops(paths, None)
    assert (starter.kind, starter.name, starter.cure) == ("shell", f"pid {loop.pid}", f"kill {loop.pid}")
    assert starter.source == f"sh -c {LOOP}"


def test_one_of_another_configuration_is_not(loop: subprocess.Popen[bytes], home: Path) -> None:
    assert find_loops(resolve_paths({"XOPC_HOME": str(home / "other")}), None) == ()


def test_the_gateway_that_has_the_lock_is_no_loop_and_a_second_one_is(home: Path, paths: Paths) -> None:
    with running_gateway(home, Behaviour(launched=True)) as gateway:
        assert find_loops(paths, gateway.pid) == ()
        (starter,) = find_loops(paths, None)
    assert (starter.kind, starter.cure) == ("process", f"kill {gateway.pid}")
