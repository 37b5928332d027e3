from pathlib import Path

import trio

from xopc.config.resolve import Flags, resolve
from xopc.core.tasks import Node, open_branch
from xopc.gateway.generation import start_generation


async def test_a_generation_lives_in_the_tree_until_it_is_ended(tmp_path: Path) -> None:
    root = Node("root")
    resolved = resolve({"XOPC_HOME": str(tmp_path)}, Flags())
    async with open_branch(root) as branch:
        generation = await start_generation(branch, 3, resolved)
        (node,) = root.snapshot().children
        assert (node.name, node.restarts) == ("generation", 2)
        assert (generation.number, generation.resolved) == (3, resolved)
        with trio.fail_after(1):
            await generation.end()
        await trio.testing.wait_all_tasks_blocked()
        assert root.snapshot().children == ()


async def test_the_end_of_a_generation_leaves_its_neighbours_alone(tmp_path: Path) -> None:
    root = Node("root")
    resolved = resolve({"XOPC_HOME": str(tmp_path)}, Flags())
    async with open_branch(root) as branch:
        first = await start_generation(branch, 1, resolved)
        await first.end()
        second = await start_generation(branch, 2, resolved)
        assert second.started >= first.started
        branch.cancel()
