"""The Containerfile says of this repository what is so: a builder of images is not there to find out."""

from __future__ import annotations

import json
import re
import shlex
import tomllib

import pytest

from tests.checks.repository import ROOT
from xopc.cli.main import build_app
from xopc.config.paths import resolve_paths
from xopc.contracts.settings.file import GatewaySettings

TEXT = (ROOT / "service-templates" / "Containerfile").read_text("utf-8")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LINES = re.sub(r"(?m)^#.*\n", "", TEXT).replace("\\\n", " ").splitlines()


def arguments(instruction: str) -> list[str]:
    """What stands behind each such instruction."""
    return [line.partition(" ")[2] for line in LINES if line.startswith(f"{instruction} ")]


def copied() -> set[str]:
    words = [shlex.split(line)[:-1] for line in arguments("COPY") if not line.startswith("--from")]
    return {word for row in words for word in row}


def test_all_that_is_copied_is_there() -> None:
    assert [name for name in copied() if not (ROOT / name).exists()] == []


def test_all_that_the_wheel_is_made_of_is_copied() -> None:
    wheel = SETTINGS["tool"]["hatch"]["build"]["targets"]["wheel"]
    folders = {name.partition("/")[0] for name in wheel["only-include"]}
    assert (
        folders | {"pyproject.toml", SETTINGS["project"]["readme"], *SETTINGS["project"]["license-files"]} <= copied()
    )


def test_its_python_is_one_that_is_supported() -> None:
    [python] = [line.partition("=")[2] for line in arguments("ARG")]
    assert f"Programming Language :: Python :: {python}" in SETTINGS["project"]["classifiers"]


@pytest.mark.parametrize("instruction", ["CMD", "HEALTHCHECK"])
def test_its_commands_are_ours(instruction: str) -> None:
    [line] = arguments(instruction)
    program, *words = json.loads(line[line.index("[") :])
    assert program == "xopc"
    command, _, ignored = build_app().parse_args(words, print_error=False, exit_on_error=False)
    assert callable(command)
    assert ignored == {}


def test_its_port_and_its_volume_are_the_gateway_s() -> None:
    assert arguments("EXPOSE") == [str(GatewaySettings().port)]
    assert arguments("VOLUME") == [str(resolve_paths({"HOME": "/home/xopc"}).state_dir)]


def test_it_does_not_run_as_root() -> None:
    assert LINES.index("USER xopc") < next(index for index, line in enumerate(LINES) if line.startswith("CMD"))
