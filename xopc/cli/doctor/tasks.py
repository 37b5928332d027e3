"""What has failed in the running gateway: a channel whose token is refused, an extension that does not start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from xopc.cli.doctor.check import ANSWER_SECONDS, Check, Fault, Result, Sight
from xopc.client.http import JsonObject
from xopc.config.audit import Severity
from xopc.contracts.errors import XopcError

TREE_PATH = "/api/tree"
_DOWN = {"failed", "backing-off"}


def look_at_tasks(sight: Sight) -> Result:
    """Does all that should run in it run?"""
    answer = sight.answer
    if sight.target.owner is None or answer is None or not answer.details:
        return Result("no gateway answers, or not to this credential", skipped=True)
    try:
        tree = sight.target.client(ANSWER_SECONDS).get(TREE_PATH)
    except XopcError as error:
        return Result(f"the gateway does not show its tasks: {error.message}", skipped=True)
    return Result.of(_of_tree(tree, ()), "All that should run in it runs")


def _of_tree(node: JsonObject, above: tuple[str, ...]) -> Iterator[Fault]:
    path = (*above, str(node.get("name")))
    found: object = node.get("children")
    children = cast("list[JsonObject]", found) if isinstance(found, list) else []
    state, error = str(node.get("state")), " ".join(str(node.get("lastError") or "").split())
    if state in _DOWN:
        what = "It has failed, and is not started again" if state == "failed" else "It fails, and is tried again"
        cure = "Mend what it says; see: xopc gateway tree, and: xopc gateway logs"
        yield Fault("gateway.task-failed", Severity.CRITICAL, what, " > ".join(path[1:] or path), error, cure)
    for child in children:
        yield from _of_tree(child, path)


CHECKS = (Check("gateway.tasks", "gateway", look_at_tasks),)
