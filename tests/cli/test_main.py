"""The console script: usage, exit codes, and that nobody ever sees a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import xopc
from tests.fakes.gateway import TOKEN, configure, running_gateway

XOPC = Path(sys.executable).with_name("xopc")


def run(*arguments: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [XOPC, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=cwd or os.environ["HOME"],
        env={**os.environ, **environ},
    )


def modules_of(*arguments: str) -> set[str]:
    """The modules that a command imports."""
    code = "import sys; from xopc.cli.main import main; main(); sys.stderr.write('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=30, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_one_line(flag: str) -> None:
    done = run(flag)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{xopc.__version__}\n", "")


def test_the_module_is_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "xopc", "--version"], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == f"{xopc.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["gateway", "--help"]])
def test_help_tells_what_each_command_is_for(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 0
    name = "status" if "gateway" in arguments else "gateway"
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"  {name} ")]
    assert len(line.split()) > 3


@pytest.mark.parametrize("command", ["status", "stop", "restart", "logs", "token", "tree"])
def test_each_command_has_its_help(command: str) -> None:
    done = run("gateway", command, "--help")
    assert done.returncode == 0
    assert f"Usage: xopc gateway {command}" in done.stdout
    assert "--config" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["bogus"],
            'xopc: Unknown command "bogus".\n'
            "Commands: agent, api, backup, channels, config, cron, doctor, gateway, health, heartbeat, inbox, logs, "
            "message, models, onboard, outbox, restore, secrets, sessions, setup, status, update.\n"
            "See: xopc --help\n",
        ),
        (
            ["gateway", "bogus"],
            'xopc gateway: Unknown command "bogus".\n'
            "Commands: health, logs, probe, restart, service, status, stop, token, tree, unlock.\n"
            "See: xopc gateway --help\n",
        ),
        (["gateway", "statsu"], 'Unknown command "statsu". Did you mean status?\n'),
        (["gateway", "--config", "x", "status"], "options go behind the command: xopc gateway status [OPTIONS]\n"),
        (["gateway", "stop", "now"], 'xopc gateway stop: "now" is one argument too many.\n'),
        (["gateway", "status", "--jsn"], "Unknown option: --jsn. Did you mean --json?"),
        (["gateway", "status", "--no-json"], "Unknown option: --no-json."),
        (["gateway", "--port", "x"], 'Invalid value "x" for --port. It must be a whole number.\n'),
        (["gateway", "--port", "65536"], "--port"),
        (["gateway", "--port", "-1"], "--port"),
        (["gateway", "--port"], "xopc gateway: --port takes a value.\n"),
        (["gateway", "restart", "--wait", "5x"], "'5x' is not a duration: write 30s, 500ms or 1m"),
        (["gateway", "logs", "--lines", "0"], "--lines"),
        (["gateway", "logs", "--lines", "100001"], "--lines"),
        (["gateway", "logs", "--lines", "many"], "--lines"),
        (["gateway", "status", "--url", "localhost"], "--url"),
        (["gateway", "status", "--timeout", "0"], "--timeout"),
        (["agent"], "xopc agent: MESSAGE is missing.\n"),
        (["agent", "hello", "there"], '"there" is one argument too many.'),
        (["agent", "--jsn"], "there is no option --jsn"),
        (["message", "send", "hello"], "xopc message send: --channel is missing.\n"),
        (["message", "send", "hello", "--chanel", "x"], "Did you mean --channel instead of --chanel?\n"),
        (["sessions", "prune", "--unused-days", "x"], 'Invalid value "x" for --unused-days. It must be a number.\n'),
        (["sessions", "list", "--limit", "501"], "--limit"),
        (["sessions", "show"], "KEY"),
        (["outbox", "list", "--state", "lost"], "--state"),
    ],
)
def test_a_usage_error_ends_with_2_and_says_what_is_wrong(arguments: list[str], text: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert text in done.stderr
    assert "See: xopc" in done.stderr
    assert done.stdout == ""


def test_the_version_needs_no_parser() -> None:
    assert not {"cyclopts", "attrs", "attr"} & modules_of("--version")


@pytest.mark.parametrize(
    ("arguments", "most"),
    [
        (["--help"], 85),
        (["gateway", "--help"], 60),
        (["gateway", "status", "--help"], 35),
        (["cron"], 35),
        (["gateway", "logs"], 35),
        (["gateway", "health"], 35),
        (["gateway", "status"], 95),
    ],
)
def test_a_command_imports_what_it_shows_and_little_else(home: Path, arguments: list[str], most: int) -> None:
    configure(home)
    own = {module for module in modules_of(*arguments) if module.partition(".")[0] == "xopc"}
    assert len(own) <= most, sorted(own)


def test_status_imports_nothing_of_the_gateway(home: Path) -> None:
    with running_gateway(home):
        loaded = modules_of("gateway", "status")
    heavy = {
        "trio",
        "quart",
        "quart_trio",
        "hypercorn",
        "structlog",
        "httpx",
        "httpx2",
        "asyncio",
        "psutil",
        "rich.console",
    }
    assert "xopc.cli.gateway.status" in loaded
    assert not heavy & loaded


def test_an_error_of_the_system_is_one_sentence(home: Path) -> None:
    logs = home / ("x" * 300)
    done = run("gateway", "logs", XOPC_LOG_DIR=str(logs))
    assert done.returncode == 1
    assert done.stderr == f"❌ {logs}: File name too long\n"


def test_a_failure_of_a_command_is_one_sentence_or_json(home: Path) -> None:
    done = run("gateway", "tree")
    assert done.returncode == 1
    assert done.stderr == "❌ Gateway is not running. Start it with: xopc gateway\n"
    done = run("gateway", "tree", "--json")
    assert done.returncode == 1
    assert '"error": "Gateway is not running. Start it with: xopc gateway"' in done.stdout


def test_whoever_has_read_enough_is_not_told_of_it(home: Path) -> None:
    logs = home / "logs"
    logs.mkdir()
    (logs / "app-2026-01-01.log").write_text("a long line of the log\n" * 50_000)
    command = f"{XOPC} gateway logs --lines 50000 2>&1 | head -n 2; echo ${{PIPESTATUS[0]}}"
    environ = {**os.environ, "XOPC_LOG_DIR": str(logs)}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, check=True, env=environ)
    assert done.stdout.splitlines()[1:] == ["a long line of the log", "0"]
    assert done.stderr == ""


def test_ctrl_c_ends_a_command_with_130(home: Path) -> None:
    with running_gateway(home) as gateway:
        os.kill(gateway.pid, signal.SIGSTOP)
        with subprocess.Popen([XOPC, "gateway", "status", "--timeout", "20s"], stdout=-1, stderr=-1) as process:
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert (out, err) == (b"", b"")


def test_a_terminal_that_lacks_the_signs_gets_question_marks(home: Path) -> None:
    configure(home, port=1)
    done = run("gateway", "status", PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert done.stdout.startswith("??  Gateway is not running\n")


def test_a_broken_configuration_is_told_with_its_path(home: Path) -> None:
    configure(home, port="x")
    done = run("gateway", "token")
    assert done.returncode == 1
    assert "$.gateway.port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed(home: Path, shell: str) -> None:
    script = home / "script"
    done = run("--install-completion", "--shell", shell, "--output", str(script))
    assert done.returncode == 0, done.stderr
    text = script.read_text()
    for word in ("gateway", "restart", "--wait", "--no-probe", "--follow"):
        assert word.lstrip("-") in text


def test_bash_completes_commands_and_options(home: Path) -> None:
    script = home / "script"
    run("--install-completion", "--shell", "bash", "--output", str(script))
    subprocess.run(["bash", "-n", script], check=True, timeout=30)
    ask = (
        f"source {script}; COMP_WORDS=(xopc gateway sta); COMP_CWORD=2; _xopc; echo ${{COMPREPLY[@]}}; "
        "COMP_WORDS=(xopc gateway restart --w); COMP_CWORD=3; _xopc; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["status", "--wait"]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_was_closed_makes_no_command_fail(home: Path, closed: str) -> None:
    for command, code in (("doctor --fix", 2), ("logs", 0)):
        shell = ["sh", "-c", f"{XOPC} {command} {closed}"]
        done = subprocess.run(shell, cwd=home, capture_output=True, timeout=30, check=False)
        assert (done.returncode, b"Traceback" in done.stderr) == (code, False)


def test_no_output_holds_the_token_but_that_of_the_token_command(home: Path) -> None:
    configure(home, port=1)
    for command in (["status"], ["status", "--json"], ["stop"], ["restart"], ["logs"]):
        done = run("gateway", *command)
        assert TOKEN not in done.stdout + done.stderr
    assert TOKEN in run("gateway", "token").stdout
