"""The nursery tree with names: every long task is a node that says what state it is in.

A task is started with the readiness protocol of trio (`task_status.started(value)`), so whoever starts it goes
on when it is ready. The failure of a task ends its branch, and so on up to the process, which the supervisor
starts again: a gateway without one of its parts would be a gateway that lies.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeAlias

import trio
from attrs import define, field

from xopc.contracts.api.status import TaskState, TreeNode

Task: TypeAlias = Callable[..., Awaitable[object]]
"""A long task: takes `task_status`, reports started when it is ready, and runs until it is cancelled or done."""


def utc_now() -> str:
    """This moment, ISO 8601 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@define(eq=False)
class Node:
    """One task of the tree, as it is shown."""

    name: str
    state: TaskState = TaskState.STARTING
    since: str = field(factory=utc_now)
    restarts: int = 0
    last_error: str | None = None
    children: list[Node] = field(factory=list["Node"])

    def become(self, state: TaskState) -> None:
        self.state = state
        self.since = utc_now()

    def add(self, name: str, *, state: TaskState = TaskState.STARTING) -> Node:
        """A node below this one."""
        node = Node(name, state)
        self.children.append(node)
        return node

    def snapshot(self) -> TreeNode:
        """The tree from here down, as it is now."""
        return TreeNode(
            name=self.name,
            state=self.state,
            since=self.since,
            restarts=self.restarts,
            last_error=self.last_error,
            children=tuple(child.snapshot() for child in self.children),
        )


class Branch:
    """A nursery whose tasks are nodes. Made by `open_branch`; whoever is handed one may start tasks in it."""

    def __init__(self, nursery: trio.Nursery, node: Node) -> None:
        self._nursery = nursery
        self.node = node

    async def start(self, name: str | Node, task: Task, *args: object) -> None:
        """Start a task as a node of this name, or as a node that the task fills itself; returns when it is ready.

        The node is removed when the task is done; one that failed stays, with its error.
        """
        node = Node(name) if isinstance(name, str) else name
        self.node.children.append(node)
        await self._nursery.start(self._run, node, task, args, name=node.name)
        if node.state is TaskState.STARTING:  # it may have failed in the very moment that it was ready
            node.become(TaskState.RUNNING)

    def cancel(self) -> None:
        """Cancel all tasks of this branch, as a tree."""
        self._nursery.cancel_scope.cancel()

    async def _run(
        self, node: Node, task: Task, args: tuple[object, ...], *, task_status: trio.TaskStatus[None]
    ) -> None:
        try:
            await task(*args, task_status=task_status)
        except Exception as error:
            node.last_error = describe(error)
            node.become(TaskState.FAILED)
            raise
        except BaseException:
            self.node.children.remove(node)
            raise
        self.node.children.remove(node)


@asynccontextmanager
async def open_branch(node: Node) -> AsyncGenerator[Branch]:
    """A branch of the tree at `node`, which runs for as long as the block and its tasks do.

    *Cancellation*: leaving the block waits for the tasks; `Branch.cancel` ends them. An error in one cancels
    the others and comes out as an exception group.
    """
    async with trio.open_nursery() as nursery:
        node.become(TaskState.RUNNING)
        yield Branch(nursery, node)


def describe(error: BaseException) -> str:
    """An error in one line; of a group, its first."""
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    if inner:
        return describe(inner[0])
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
