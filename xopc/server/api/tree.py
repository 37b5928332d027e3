"""The live nursery tree."""

from __future__ import annotations

from http import HTTPStatus

from xopc.contracts.api.status import TreeNode
from xopc.contracts.auth import Scope
from xopc.server.api import examples
from xopc.server.routes import Call, Route


async def _tree(call: Call[None]) -> TreeNode:
    return call.services.tree()


TREE = Route(
    method="GET",
    path="/api/tree",
    summary="The gateway's tasks: their states, restarts and last errors.",
    scope=Scope.READ,
    handler=_tree,
    response=TreeNode,
    response_examples={HTTPStatus.OK: examples.TREE},
    tag="health",
)
