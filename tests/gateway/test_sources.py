"""A new process when the sources change: what counts as a change, and what is told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from xopc.gateway.orders import Order, Restart
from xopc.gateway.sources import Sources, began
from xopc_supervisor import contract


@pytest.fixture
def packages(tmp_path: Path) -> tuple[Path, Path]:
    """Two of them, written long ago."""
    for name in ("ours", "theirs"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "a.py").write_text("a = 1\n")
        os.utime(tmp_path / name / "inner" / "a.py", (1_000_000, 1_000_000))
    return tmp_path / "ours", tmp_path / "theirs"


@pytest.fixture
def orders() -> list[Order]:
    return []


@pytest.fixture
def sources(packages: tuple[Path, Path], orders: list[Order]) -> Sources:
    return Sources(packages, orders.append, began=2_000_000)


async def see(sources: Sources) -> None:
    await sources.look()
    await sources.act()


def ordered(reason: str) -> Restart:
    return Restart(contract.RESPAWN, reason, is_due=True)


async def test_what_changes_is_named_in_the_order(
    sources: Sources, packages: tuple[Path, Path], orders: list[Order]
) -> None:
    ours, _ = packages
    await see(sources)
    await see(sources)
    assert orders == []
    (ours / "inner" / "a.py").write_text("a = 2\n")
    (ours / "b.py").write_text("")
    await see(sources)
    await see(sources)
    assert orders == [ordered("changed sources: ours/b.py, ours/inner/a.py")]
    (ours / "b.py").unlink()
    await see(sources)
    assert orders[1:] == [ordered("changed sources: ours/b.py")]


async def test_of_very_many_some_are_named(sources: Sources, packages: tuple[Path, Path], orders: list[Order]) -> None:
    await see(sources)
    for name in "bcdef":
        (packages[0] / f"{name}.py").touch()
    await see(sources)
    assert orders == [ordered("changed sources: ours/b.py, ours/c.py, ours/d.py and 2 more")]


async def test_what_is_no_source_is_no_change(
    sources: Sources, packages: tuple[Path, Path], orders: list[Order]
) -> None:
    await see(sources)
    for name in ("notes.txt", ".#a.py", "a.py~"):
        (packages[0] / name).touch()
    await see(sources)
    assert orders == []


@pytest.mark.parametrize(("age", "counts"), [(10, True), (-1000, False)])
async def test_what_changed_while_the_process_started_counts_and_a_date_to_come_does_not(
    sources: Sources, packages: tuple[Path, Path], orders: list[Order], age: int, counts: bool
) -> None:
    written = time.time() - age
    os.utime(packages[0] / "inner" / "a.py", (written, written))
    await see(sources)
    assert orders == ([ordered("changed sources: ours/inner/a.py")] if counts else [])


async def test_what_does_not_compile_is_told_and_not_tried(
    sources: Sources, packages: tuple[Path, Path], orders: list[Order]
) -> None:
    await see(sources)
    source = packages[0] / "inner" / "a.py"
    source.write_text("a = 1\nb = (\n")
    with capture_logs() as logs:
        await see(sources)
    assert orders == []
    mend = "The gateway goes on as it was: mend it, and save it again."
    assert [line["event"] for line in logs] == [f"{source}, line 2: '(' was never closed. {mend}"]
    source.write_bytes(b"a = '\xff'\n")
    await see(sources)
    assert orders == []
    source.write_text("a = 1\nb = 2\n")
    await see(sources)
    assert orders == [ordered("changed sources: ours/inner/a.py")]


async def test_the_supervisor_goes_on_with_the_code_that_it_has(
    sources: Sources, packages: tuple[Path, Path], orders: list[Order]
) -> None:
    await see(sources)
    (packages[1] / "b.py").touch()
    with capture_logs() as logs:
        await see(sources)
    told = "The supervisor's own code has changed: that counts once the gateway is started anew."
    assert [line["event"] for line in logs] == [told]
    assert len(orders) == 1


def test_a_process_knows_when_it_began() -> None:
    before = time.time()
    code = "import time; from xopc.gateway.sources import began; print(began(), time.time())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    begun, now = map(float, done.stdout.split())
    assert before - 0.1 <= begun < now
    assert began() < before
