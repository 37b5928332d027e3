from __future__ import annotations

import os
import threading
from pathlib import Path

from xopc.service.turns import turn_at


def test_the_second_waits_for_the_first(tmp_path: Path) -> None:
    order: list[str] = []
    has_it = threading.Event()

    def second() -> None:
        has_it.wait(10)
        with turn_at(tmp_path, 30):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with turn_at(tmp_path, 30):
        has_it.set()
        thread.join(0.3)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]


def test_one_that_hangs_is_not_waited_for_without_end(tmp_path: Path) -> None:
    with turn_at(tmp_path, 30), turn_at(tmp_path, 0.05):
        pass


def test_the_turn_ends_with_the_block_and_leaves_nothing(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        with turn_at(tmp_path, 0):
            pass
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/dev/fd")) == before


def test_where_there_is_no_directory_there_is_nobody_to_wait_for(tmp_path: Path) -> None:
    with turn_at(tmp_path / "none", 30):
        pass
    assert not (tmp_path / "none").exists()
