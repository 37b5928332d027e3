"""`xopc onboard` as a person sees it, on a terminal of 80 columns; and `xopc setup` as a script calls it."""

from __future__ import annotations

import json
import os
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import XOPC, is_refused, run_xopc, until
from tests.e2e.outside import Outside, outside
from tests.e2e.pseudo_terminal import COLUMNS, PseudoTerminal
from tests.fakes.service_managers import FakeManagers
from tests.fakes.telegram_server import TOKEN
from tests.ports import free_port

KEY = "sk-invented-0123456789"
NOBODY = "127.0.0.1:9"


@pytest.fixture
def world() -> Iterator[Outside]:
    with outside() as servers:
        yield servers


@pytest.fixture
def ada(tmp_path: Path) -> Path:
    """The home of somebody who has nothing yet."""
    path = tmp_path / "ada"
    path.mkdir()
    return path


@pytest.fixture
def environ(ada: Path) -> dict[str, str]:
    """Hers; without a service manager."""
    binaries = ada / "bin"
    binaries.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    return {
        **kept,
        "HOME": str(ada),
        "XOPC_HOME": str(ada),
        "PATH": str(binaries),
        "TERM": "dumb",
        "OLLAMA_HOST": NOBODY,
    }


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) == "W" else 1 for sign in line)


def test_from_nothing_to_an_answer_and_a_gateway_that_stays(ada: Path, world: Outside, environ: dict[str, str]) -> None:
    port = free_port()
    url, root = f"http://127.0.0.1:{world.model_port}", f"http://127.0.0.1:{world.telegram_port}"
    with PseudoTerminal([XOPC, "onboard", "--telegram-api-root", root], environ, ada) as person:
        person.expect("Welcome to xopc")
        person.choose("by its URL", "Which one [1]:")
        person.answer("Its URL", url)
        person.answer("(hidden):", "wrong-0123456789")
        person.expect("does not take this key (HTTP 401")
        person.answer("What now [2]:", "")
        person.answer("(hidden):", KEY)
        person.expect("echo answered within")
        person.answer("Port [", str(port))
        person.answer("Who can reach it [1]:", "")
        person.answer("Set up a Telegram bot [y/N]:", "y")
        person.answer("(hidden):", TOKEN)
        person.expect("Telegram knows it: @example_bot")
        world.write("Hello from my telephone", chat=4711)
        person.answer("or Enter to find it out:", "")
        person.answer("Robin (id 4711) has written. Is that you [Y/n]:", "")
        person.expect("you run the gateway yourself")
        person.expect("local/echo answers.")
        assert not (ada / ".xopc").exists()
        person.answer("Write ~/.xopc/xopc.json and ~/.xopc/models.json [Y/n]:", "")
        person.answer("Say something to it", "Good morning")
        person.expect("You said: Good morning")
        person.expect("xopc gateway status")
        asked = person.text
        person.answer("until Ctrl+C [Y/n]:", "")
        person.expect("Gateway started")
        until(lambda: world.sent(4711), "the bot answers the message that told its owner")
        assert not is_refused(port)
        person.press("\x03")
        assert person.wait() == 0
    assert KEY not in person.text
    assert TOKEN not in person.text
    assert "Traceback" not in person.text
    assert "\x1b[" not in asked
    assert [line for line in asked.split("\n") if columns(line) > COLUMNS] == []
    files = [ada / ".xopc" / name for name in ("xopc.json", "models.json")]
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600, 0o600]
    assert is_refused(port)


def test_as_a_service_it_runs_on_when_the_terminal_is_closed(
    ada: Path, world: Outside, environ: dict[str, str]
) -> None:
    port = free_port()
    with FakeManagers(ada, runs=True) as managers:
        environ |= managers.environ
        environ |= {"OLLAMA_HOST": f"127.0.0.1:{world.model_port}", "LOCAL_KEY": KEY}
        command = [XOPC, "onboard", "--port", str(port), "--bind", "loopback", "--skip-telegram"]
        with PseudoTerminal(command, environ, ada) as person:
            person.choose("Ollama on this machine (echo)", "Which one [1]:")
            person.answer("Install it as a service (Linux (systemd)) [Y/n]:", "")
            person.answer("[Y/n]:", "")
            person.expect("The gateway runs, as a service.")
            person.answer("Say something to it", "")
            person.expect("You said: Hello! Who are you?")
            assert person.wait() == 0
        told = run_xopc("agent", "still there?", environ=environ, cwd=ada)
        assert told.stdout == "You said: still there?\n"
        status = run_xopc("gateway", "stop", environ=environ, cwd=ada)
        assert status.returncode == 0, status.stderr


@pytest.mark.parametrize(
    ("keys", "code", "words"), [("\x03", 130, "Nothing was changed."), ("\x04", 1, "The input ended")]
)
def test_ctrl_c_and_ctrl_d_leave_nothing_behind(
    ada: Path, environ: dict[str, str], keys: str, code: int, words: str
) -> None:
    with PseudoTerminal([XOPC, "onboard", "--skip-model"], environ, ada) as person:
        person.expect("Port [")
        person.expect("]:")
        person.press(keys)
        person.expect(words)
        assert person.wait() == code
    assert "Traceback" not in person.text
    assert not (ada / ".xopc").exists()


def test_ctrl_c_while_the_key_is_typed_leaves_the_terminal_as_it_was(
    ada: Path, world: Outside, environ: dict[str, str]
) -> None:
    url = f"http://127.0.0.1:{world.model_port}/v1"
    # A shell that goes on afterwards, to see whether it shows what is typed.
    command = ["/bin/sh", "-c", f"trap : INT; {XOPC} onboard; echo code=$?; read line; echo got=$line"]
    with PseudoTerminal(command, environ, ada) as person:
        person.choose("by its URL", "Which one [1]:")
        person.answer("Its URL", url)
        person.expect("(hidden):")
        person.press("\x03")
        person.expect("code=130")
        person.type("shown")
        person.expect("shown got=shown")
        assert person.wait() == 0


def test_a_script_sets_everything_up_with_its_secrets_on_standard_input(
    ada: Path, world: Outside, environ: dict[str, str]
) -> None:
    command = [
        *(str(XOPC), "setup", "--non-interactive", "--accept-risk", "--json", "--no-install-daemon"),
        *("--model-url", f"http://127.0.0.1:{world.model_port}/v1", "--model-key-stdin"),
        *("--telegram-token-stdin", "--telegram-api-root", f"http://127.0.0.1:{world.telegram_port}"),
        *("--telegram-owner", "4711", "--gateway-port", str(free_port())),
    ]
    done = subprocess.run(
        command, env=environ, cwd=ada, input=f"{KEY}\n{TOKEN}\n", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["telegram"] == {"bot": "example_bot", "owners": ["4711"]}
    assert told["running"] is False
    for secret in (KEY, TOKEN):
        assert secret not in done.stdout + done.stderr
        assert secret in (ada / ".xopc" / "xopc.json").read_text()
    again = subprocess.run(
        command, env=environ, cwd=ada, input=f"{KEY}\n{TOKEN}\n", capture_output=True, text=True, check=False
    )
    assert json.loads(again.stdout)["changes"] == []


def test_without_a_terminal_it_says_what_to_do(ada: Path, environ: dict[str, str]) -> None:
    done = run_xopc("onboard", environ=environ, cwd=ada)
    assert done.returncode == 2
    assert "xopc setup --non-interactive" in done.stderr
