"""Commands for the gateway of somebody else's shell."""

from __future__ import annotations

import pytest

from tests.supervisor.contract.test_launch import LAUNCH
from xopc.cli.gateway.naming import command_for

HOME = {"HOME": "/home/ana"}


@pytest.mark.parametrize(
    ("state", "config", "environ", "command"),
    [
        (".xopc", ".xopc/xopc.json", {}, "xopc gateway stop"),
        (".xopc", ".xopc/xopc.json", {"XOPC_PROFILE": "work"}, "xopc --profile default gateway stop"),
        (".xopc-rescue", ".xopc-rescue/xopc.json", {}, "xopc --profile rescue gateway stop"),
        (".xopc", "my own.json", {}, "xopc gateway stop --config '/home/ana/my own.json'"),
        (".xopc-a b", ".xopc-a b/xopc.json", {}, "XOPC_STATE_DIR='/home/ana/.xopc-a b' xopc gateway stop"),
        ("at/.xopc-b", "at/.xopc-b/xopc.json", {}, "XOPC_STATE_DIR=/home/ana/at/.xopc-b xopc gateway stop"),
        (
            ".xopc",
            ".xopc/xopc.json",
            {"XOPC_STATE_DIR": "/srv"},
            "XOPC_STATE_DIR=/home/ana/.xopc xopc gateway stop",
        ),
    ],
)
def test_it_is_named_so_that_a_command_finds_it(state: str, config: str, environ: dict[str, str], command: str) -> None:
    launch = LAUNCH._replace(state_dir=f"/home/ana/{state}", config_path=f"/home/ana/{config}")
    assert command_for(launch, "gateway stop", {**HOME, **environ}) == command
