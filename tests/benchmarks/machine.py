"""The processes that are measured, and what the kernel knows of them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.harness import TOKEN, Gateway, write_config

BEARER = {"Authorization": f"Bearer {TOKEN}"}
REPOSITORY = Path(__file__).parents[2]


@contextmanager
def new_home() -> Generator[Path]:
    """An empty home."""
    with tempfile.TemporaryDirectory(prefix="xopc-bench-") as directory:
        yield Path(directory)


@contextmanager
def running(home: Path) -> Generator[Gateway]:
    """A ready gateway in a home that has its configuration."""
    started = Gateway(home, "--port", "0")
    try:
        yield started.wait_until_ready()
    finally:
        started.kill()


@contextmanager
def gateway(**auth: str) -> Generator[Gateway]:
    """A ready gateway in a home of its own, with a token unless told otherwise."""
    with new_home() as home:
        write_config(home, {"gateway": {"auth": auth or {"token": TOKEN}}})
        with running(home) as started:
            yield started


@contextmanager
def stock() -> Generator[tuple[int, int]]:
    """The baseline server: its pid and port."""
    command = [sys.executable, "-m", "tests.benchmarks.stock"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=REPOSITORY)
    assert process.stdout is not None
    try:
        yield process.pid, int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def pss_mb(pid: int) -> float:
    """Its proportional set size: memory that it shares counts by its share."""
    return pss_of(Path(f"/proc/{pid}/smaps_rollup").read_text())


def pss_of(rollup: str) -> float:
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024


def peak_rss_mb(pid: int) -> float:
    """The most memory that it had at any time (proc(5) status, VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def cpu_seconds(pid: int) -> float:
    """User and system time of a process (proc(5) stat, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
