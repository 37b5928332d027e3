from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from xopc.cli.help import columns, filled

XOPC = Path(sys.executable).with_name("xopc")


def shown(*words: str, width: int) -> list[str]:
    environ = {**os.environ, "COLUMNS": str(width)}
    done = subprocess.run([XOPC, *words, "--help"], capture_output=True, text=True, timeout=30, check=True, env=environ)
    return done.stdout.splitlines()


def test_texts_stand_beside_their_names() -> None:
    rows = [("--port INT", "The port of the gateway."), ("--yes", "Do not ask."), ("FILE", "")]
    assert list(columns(rows, 34)) == [
        "  --port INT  The port of the",
        "              gateway.",
        "  --yes       Do not ask.",
        "  FILE",
    ]


def test_a_long_name_has_a_line_of_its_own() -> None:
    rows = [("--telegram-token-from-env STR", "The variable."), ("--yes", "Do not ask.")]
    assert list(columns(rows, 40)) == [
        "  --telegram-token-from-env STR",
        "         The variable.",
        "  --yes  Do not ask.",
    ]


def test_on_a_narrow_terminal_texts_stand_below_their_names() -> None:
    rows = [("--gateway-port INT", "The port of the gateway."), ("--yes", "Do not ask.")]
    assert list(columns(rows, 30)) == [
        "  --gateway-port INT",
        "    The port of the gateway.",
        "  --yes",
        "    Do not ask.",
    ]


def test_paragraphs_are_filled_anew_and_commands_stay_whole() -> None:
    assert filled("one\ntwo three\n\nxopc gateway --no-probe", 18) == "one two three\n\nxopc gateway\n--no-probe"


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("words", [(), ("onboard",), ("restore",), ("gateway", "stop"), ("update",)])
def test_no_line_is_longer_than_the_terminal(words: tuple[str, ...], width: int) -> None:
    assert max(map(len, shown(*words, width=width))) <= width


def test_what_a_command_is_for_stands_with_its_own_in_one_column() -> None:
    lines = shown("restore", width=80)
    assert lines[:2] == ["Usage: xopc restore [OPTIONS] FILE", ""]
    begin = lines.index("Parameters:") + 1
    options = lines[begin : lines.index("", begin)]
    (column,) = {line.index(line.split("  ", 2)[-1].strip()) for line in options if line.startswith("  --")}
    assert all(line[:column].strip() == "" for line in options if not line.startswith("  --"))
    (file,) = [line for line in lines if line.startswith("  FILE  ")]
    assert file.endswith("[required]")


@pytest.mark.parametrize("group", ["secrets", "gateway service"])
def test_a_group_that_is_called_by_its_name_says_what_each_of_its_commands_is_for(group: str) -> None:
    done = subprocess.run([XOPC, *group.split()], capture_output=True, text=True, timeout=30, check=True)
    lines = done.stdout.splitlines()
    begin = lines.index("Commands:") + 1
    commands = [line for line in lines[begin : lines.index("", begin)] if not line.startswith("   ")]
    assert len(commands) > 2
    assert all(len(line.split()) > 3 for line in commands)


def test_choices_are_told() -> None:
    assert "[choices: loopback," in "\n".join(shown("onboard", width=80))
