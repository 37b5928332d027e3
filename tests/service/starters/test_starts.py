from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from xopc.service.starters.starts import find_start, find_start_in


@pytest.mark.parametrize(
    "text",
    [
        "xopc gateway",
        "/home/robin/.local/bin/xopc gateway --foreground --port 18790",
        "exec xopc gateway",
        "cd /srv && nohup xopc gateway >/dev/null 2>&1 &",
        "while true; do xopc gateway; sleep 5; done",
        "sh -c 'exec xopc gateway'",
        'bash -lc "sleep 10; env XOPC_PROFILE=rescue xopc gateway"',
        "/usr/bin/python3 -P -m xopc_supervisor gateway",
        "flock -n /tmp/lock xopc gateway",
        "XOPC_STATE_DIR=/srv/state xopc gateway 'unclosed",
    ],
)
def test_a_command_that_starts_a_gateway_is_found(text: str) -> None:
    assert find_start_in(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "xopc doctor",
        "xopc gateway status",
        "xopc gateway logs --follow",
        "xopc gateway service install",
        "grep xopc gateway",
        "vim /etc/xopc gateway",
        "echo xopc gateway",
        "sh gateway.sh",
        "'unclosed",
    ],
)
def test_another_command_is_none(text: str) -> None:
    assert find_start_in(text) is None


def test_variables_of_the_command_line_outrank_those_of_the_environment() -> None:
    start = find_start(["env", "XOPC_STATE_DIR=/srv/state", "sh", "-c", "XOPC_CONFIG_PATH=/srv/a.json xopc gateway"])
    assert start is not None
    paths = start.paths({"HOME": "/home/robin", "XOPC_CONFIG_PATH": "/srv/b.json"})
    assert paths is not None
    assert (paths.state_dir, paths.config_path) == (Path("/srv/state"), Path("/srv/a.json"))


def test_an_option_names_the_configuration() -> None:
    start = find_start(["xopc", "gateway", "--config", "/srv/c.json"])
    assert start is not None
    paths = start.paths({"HOME": "/home/robin"})
    assert paths is not None
    assert paths.config_path == Path("/srv/c.json")


def test_shells_in_shells_without_end_are_given_up() -> None:
    text = "xopc gateway"
    for _ in range(3):
        text = shlex.join(["sh", "-c", text])
    assert find_start_in(text) is not None
    for _ in range(3):
        text = shlex.join(["sh", "-c", text])
    assert find_start_in(text) is None
