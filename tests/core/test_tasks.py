import pytest
import trio

from xopc.contracts.api.status import TaskState, TreeNode
from xopc.core.tasks import Node, describe, open_branch, utc_now


def names(tree: TreeNode) -> list[str]:
    return [child.name for child in tree.children]


async def test_a_started_task_is_a_running_node_until_it_is_done() -> None:
    root = Node("root")
    may_end = trio.Event()

    async def task(greeting: str, *, task_status: trio.TaskStatus[None]) -> None:
        assert greeting == "hello"
        assert root.children[0].state is TaskState.STARTING
        task_status.started()
        await may_end.wait()

    async with open_branch(root) as branch:
        await branch.start("worker", task, "hello")
        (node,) = root.snapshot().children
        assert (node.name, node.state, node.restarts) == ("worker", TaskState.RUNNING, 0)
        assert root.state is TaskState.RUNNING
        may_end.set()
    assert names(root.snapshot()) == []


async def test_a_failed_task_ends_its_branch_and_leaves_its_error_in_the_tree() -> None:
    root = Node("root")

    async def fail(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.lowlevel.checkpoint()
        raise RuntimeError("the disk is on fire")

    async def forever(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep_forever()

    with pytest.RaisesGroup(RuntimeError, flatten_subgroups=True):
        async with open_branch(root) as branch:
            await branch.start("neighbour", forever)
            await branch.start("failing", fail)
            await trio.sleep_forever()
    (node,) = root.snapshot().children
    assert (node.name, node.state) == ("failing", TaskState.FAILED)
    assert node.last_error == "RuntimeError: the disk is on fire"


async def test_a_task_that_fails_before_it_is_ready_fails_its_start() -> None:
    async def fail(*, task_status: trio.TaskStatus[None]) -> None:
        raise OSError("no such thing")

    with pytest.RaisesGroup(OSError, flatten_subgroups=True):
        async with open_branch(Node("root")) as branch:
            await branch.start("failing", fail)


async def test_cancel_ends_the_branch_as_a_tree() -> None:
    root = Node("root")

    async def forever(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep_forever()

    async with open_branch(root) as branch:
        await branch.start("one", forever)
        await branch.start("two", forever)
        assert names(root.snapshot()) == ["one", "two"]
        branch.cancel()
    assert names(root.snapshot()) == []


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (ValueError(), "ValueError"),
        (ExceptionGroup("g", [ExceptionGroup("h", [KeyError("k")]), ValueError()]), "KeyError: 'k'"),
    ],
)
def test_an_error_is_described_in_one_line(error: Exception, line: str) -> None:
    assert describe(error) == line


def test_times_are_utc_with_milliseconds() -> None:
    stamp = utc_now()
    assert stamp.endswith("Z")
    assert len(stamp) == len("2026-01-02T03:04:05.678Z")
