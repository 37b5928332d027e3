from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import define, field

from xopc.config.watch import LEAST_SECONDS, LOOK_SECONDS, Settling, Sight, look_at, sight, watch

DEBOUNCE_SECONDS = 0.3


@define
class Scene:
    """A file that looks as the test says, and when somebody acted on it, of trio's clock since the beginning."""

    looks: Sight = (1,)
    acts: list[float] = field(factory=list[float])
    began: float = 0.0

    async def look(self) -> Sight:
        await trio.lowlevel.checkpoint()
        return self.looks

    async def act(self) -> None:
        await trio.lowlevel.checkpoint()
        self.acts.append(round(trio.current_time() - self.began, 3))


@asynccontextmanager
async def watching(debounce: float = DEBOUNCE_SECONDS) -> AsyncGenerator[Scene]:
    """A scene that is watched, when what was there at the beginning was acted on."""
    scene = Scene(began=trio.current_time())
    async with trio.open_nursery() as nursery:
        await nursery.start(watch, scene.look, lambda: debounce, scene.act)
        await trio.sleep(1)
        assert scene.acts == [max(LEAST_SECONDS, debounce)]
        scene.acts.clear()
        scene.began = trio.current_time()
        yield scene
        nursery.cancel_scope.cancel()


async def test_a_file_that_stays_the_same_is_acted_on_once(autojump_clock: trio.abc.Clock) -> None:
    async with watching() as scene:
        await trio.sleep(3600)
        assert scene.acts == []


async def test_a_change_is_acted_on_when_it_has_settled(autojump_clock: trio.abc.Clock) -> None:
    async with watching() as scene:
        scene.looks = (2,)
        await trio.sleep(10)
        assert len(scene.acts) == 1
        assert DEBOUNCE_SECONDS <= scene.acts[0] <= LOOK_SECONDS + DEBOUNCE_SECONDS


async def test_a_file_that_is_being_written_is_waited_for(autojump_clock: trio.abc.Clock) -> None:
    async with watching() as scene:
        for size in range(20):
            scene.looks = ("growing", size)
            await trio.sleep(0.2)
        assert scene.acts == []
        await trio.sleep(10)
        assert len(scene.acts) == 1
        assert 4 <= scene.acts[0] <= 5


async def test_a_file_that_is_away_for_a_moment_is_acted_on_when_it_is_back(autojump_clock: trio.abc.Clock) -> None:
    async with watching() as scene:
        await trio.sleep(0.45)
        scene.looks = ("away",)
        await trio.sleep(0.1)
        scene.looks = (2,)
        await trio.sleep(10)
        assert len(scene.acts) == 1


async def test_a_file_that_stays_away_is_acted_on_and_so_is_its_return(autojump_clock: trio.abc.Clock) -> None:
    async with watching() as scene:
        scene.looks = ("away",)
        await trio.sleep(10)
        scene.looks = (1,)
        await trio.sleep(10)
        assert len(scene.acts) == 2


async def test_what_changes_while_somebody_acts_is_acted_on_again(autojump_clock: trio.abc.Clock) -> None:
    async with watching() as scene:

        async def act() -> None:
            scene.acts.append(0)
            if scene.acts.count(0) == 1:
                scene.looks = ("written in the meantime",)
            await trio.sleep(5)

        async with trio.open_nursery() as nursery:
            await nursery.start(watch, scene.look, lambda: DEBOUNCE_SECONDS, act)
            await trio.sleep(20)
            nursery.cancel_scope.cancel()
        assert scene.acts.count(0) == 2


async def test_without_a_debounce_a_change_is_acted_on_almost_at_once(autojump_clock: trio.abc.Clock) -> None:
    async with watching(debounce=0) as scene:
        scene.looks = (2,)
        await trio.sleep(10)
        assert len(scene.acts) == 1
        assert scene.acts[0] <= LOOK_SECONDS + 0.1


def test_a_change_back_within_the_debounce_is_a_change_for_safety() -> None:
    settling = Settling()
    settling.see((1,), 0, 1)
    assert not settling.take()
    settling.see((1,), 1, 1)
    assert settling.take()
    settling.see((2,), 10, 1)
    settling.see((1,), 10.5, 1)
    assert not settling.take()
    settling.see((1,), 11.5, 1)
    assert settling.take()
    assert not settling.take()


def test_a_file_that_is_rewritten_replaced_or_touched_looks_different(tmp_path: Path) -> None:
    file, other = tmp_path / "xopc.json", tmp_path / "other"
    sights = [sight(file)]
    file.write_text("{}")
    sights.append(sight(file))
    file.write_text("{ }")
    sights.append(sight(file))
    other.write_text("{ }")
    os.utime(other, ns=(0, file.stat().st_mtime_ns))
    other.replace(file)
    sights.append(sight(file))
    file.chmod(0o400)
    os.utime(file, ns=(0, 0))
    sights.append(sight(file))
    file.unlink()
    assert sight(file) == sights[0]
    assert len(set(sights)) == len(sights)


def test_an_exchanged_directory_on_the_way_of_a_link_looks_different(tmp_path: Path) -> None:
    """As Kubernetes mounts config maps."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "xopc.json").write_text("{}")
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "xopc.json").symlink_to("data/xopc.json")
    before = sight(tmp_path / "xopc.json")
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").replace(tmp_path / "data")
    assert sight(tmp_path / "xopc.json") != before


async def test_a_look_is_what_a_path_leads_to(tmp_path: Path) -> None:
    assert await look_at(tmp_path) == sight(tmp_path)
    (tmp_path / "x").write_text("x")
    assert await look_at(tmp_path, tmp_path / "x") == (*sight(tmp_path), *sight(tmp_path / "x"))
