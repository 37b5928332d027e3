"""`xopc gateway tree`."""

from __future__ import annotations

from xopc.cli.gateway.target import find_target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import duration, print_json, seconds_since
from xopc.contracts.api.status import TreeNode
from xopc.contracts.errors import Failure, InvalidValueError, XopcError
from xopc_supervisor.contract import EXIT_OK

TREE_PATH = "/api/tree"
TIMEOUT_SECONDS = 10.0


def tree(*, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Show the gateway's running tasks as a tree.

    Each with its state, since when, how often it was restarted, and its last error.
    """
    from xopc.contracts.convert import structure_known

    body = find_target(config).client(TIMEOUT_SECONDS).get(TREE_PATH)
    if as_json:
        print_json(body)
        return EXIT_OK
    try:
        root, _ = structure_known(body, TreeNode)
    except InvalidValueError as error:
        what = f"The gateway is of another version, whose tree this one cannot draw ({error.message})"
        raise XopcError(Failure.CONFLICT, f"{what}. Restart it, or see the tree with --json.") from error
    rows = draw(root)
    width = max(len(name) for name, _ in rows)
    for name, rest in rows:
        print(f"{name:{width}}  {rest}")
    return EXIT_OK


def draw(node: TreeNode, above: str = "", *, branch: str = "", below: str = "") -> list[tuple[str, str]]:
    """A name with its branches, and what there is to say of it, for each task from `node` on."""
    rows = [(f"{above}{branch}{node.name}", _description(node))]
    for child in node.children:
        last = child is node.children[-1]
        rows += draw(child, above + below, branch="└─ " if last else "├─ ", below="   " if last else "│  ")
    return rows


def _description(node: TreeNode) -> str:
    since = seconds_since(node.since)
    parts = [node.state.value]
    if since is not None:
        parts.append(f"for {duration(since)}")
    if node.restarts:
        parts.append(f"{node.restarts} restart{'s' if node.restarts > 1 else ''}")
    if node.last_error:
        parts.append(f"last error: {' '.join(node.last_error.split())}")
    return ", ".join(parts)
