from __future__ import annotations

import sys

import pytest

from xopc.service.managers.base import ServiceManagerError
from xopc.service.managers.tools import run_tool


def test_what_it_printed_and_how_it_ended_are_told() -> None:
    ran = run_tool(sys.executable, "-c", "import sys; print(' said '); print('why', file=sys.stderr); sys.exit(3)")
    assert (ran.code, ran.output, ran.errors) == (3, "said", "why")
    with pytest.raises(ServiceManagerError, match=r"ended with exit code 3: why"):
        ran.check()


def test_one_that_succeeds_is_checked_for_nothing() -> None:
    assert run_tool(sys.executable, "-c", "").check().output == ""


def test_one_that_is_not_there_is_told() -> None:
    with pytest.raises(ServiceManagerError, match=r"`no-such-tool --version` cannot be run: No such file"):
        run_tool("no-such-tool", "--version")


def test_one_that_does_not_end_is_ended() -> None:
    with pytest.raises(ServiceManagerError, match=r"did not end within 0\.1 s"):
        run_tool(sys.executable, "-c", "import time; time.sleep(60)", seconds=0.1)


def test_it_has_the_environment_that_it_is_given() -> None:
    ran = run_tool(sys.executable, "-c", "import os; print(os.environ['PLACE'])", environ={"PLACE": "here"})
    assert ran.output == "here"
