"""`xopc gateway tree`."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.fakes.gateway import Behaviour, configure, running_gateway
from tests.fakes.web_server import serving
from xopc.cli.gateway.target import find_target
from xopc.cli.gateway.tree import draw, tree
from xopc.client.http import RefusedError
from xopc.contracts.api.status import TaskState, TreeNode
from xopc.contracts.errors import XopcError
from xopc_supervisor.contract import LockInfo, start_time

THEN = (datetime.now(UTC) - timedelta(seconds=7300)).isoformat()


def node(name: str, *children: TreeNode) -> TreeNode:
    return TreeNode(name, TaskState.RUNNING, THEN, children=children)


def test_the_tasks_of_a_running_gateway_are_drawn(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home, Behaviour(channels="backing-off")):
        assert tree() == 0
    assert capsys.readouterr().out.splitlines() == [
        "gateway       running, for 1 h",
        "├─ storage    running, for 1 h",
        "│  └─ writer  running, for 1 h",
        "└─ channels   backing-off, for 2 min, 2 restarts, last error: no network",
    ]


def test_as_json_it_is_what_the_gateway_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home):
        assert tree(as_json=True) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [child["name"] for child in shown["children"]] == ["storage", "channels"]


def test_the_branches_of_a_deep_tree_meet() -> None:
    names = [name for name, _ in draw(node("a", node("b", node("c", node("d")), node("e")), node("f", node("g"))))]
    assert names == ["a", "├─ b", "│  ├─ c", "│  │  └─ d", "│  └─ e", "└─ f", "   └─ g"]


def test_what_is_known_of_a_task_is_told() -> None:
    failed = TreeNode("x", TaskState.FAILED, "?", restarts=1, last_error="it\nbroke")
    assert draw(failed) == [("x", "failed, 1 restart, last error: it broke")]
    assert draw(node("x")) == [("x", "running, for 2 h")]


def test_without_a_running_gateway_that_is_said(home: Path) -> None:
    with pytest.raises(XopcError, match="Gateway is not running"):
        tree()


def test_the_tree_of_another_version_is_told_and_shown_as_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = {"name": "gateway", "state": "dreaming", "since": THEN}
    path = find_target(None).paths.lock_path
    path.parent.mkdir(parents=True)
    with serving({"/api/tree": (200, body)}) as url:
        own = LockInfo(os.getpid(), start_time(os.getpid()), "", "", host="127.0.0.1", port=int(url.rpartition(":")[2]))
        path.write_text(own.to_json())
        with pytest.raises(XopcError, match="of another version"):
            tree()
        assert tree(as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == body


def test_a_refused_token_is_told(home: Path) -> None:
    with running_gateway(home, Behaviour(token="another token of 32 characters..")):
        with pytest.raises(RefusedError, match="A valid token is needed"):
            tree()
        configure(home, auth={"mode": "none"})
        with pytest.raises(RefusedError):
            tree()
