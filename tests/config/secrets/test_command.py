"""Real programs, which print, fail, hang, and leave children behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from xopc.config.secrets.command import SEARCH_PATH, run_secret_command
from xopc.config.secrets.file import MAX_BYTES, LostError
from xopc.contracts.settings.secrets import SecretCommand

Program = Callable[[str], Path]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    def program(script: str) -> Path:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return program


def run(path: Path, *arguments: str, seconds: float = 20) -> str:
    return run_secret_command("openai", SecretCommand((str(path), *arguments), seconds), {})


def why(path: Path, *arguments: str, seconds: float = 20) -> str:
    with pytest.raises(LostError) as caught:
        run(path, *arguments, seconds=seconds)
    text = str(caught.value)
    assert "invented" not in text
    assert text.startswith(("the command openai of secrets.commands gives no secret: ", "what the command openai"))
    return text.removeprefix("the command openai of secrets.commands gives no secret: ")


def test_what_it_prints_is_the_secret(program: Program) -> None:
    assert run(program("printf 'an-invented-secret\\n'")) == "an-invented-secret"
    assert run(program("echo first; echo second")) == "first\nsecond"


def test_no_shell_reads_its_arguments(program: Program) -> None:
    assert run(program('printf "%s|" "$@"'), "a b", "$HOME", "; rm", "*", "") == "a b|$HOME|; rm|*||"


def test_it_gets_few_variables_and_those_that_it_is_given(program: Program) -> None:
    environ = {"HOME": "/home/ann", "PATH": "/somewhere", "OPENAI_API_KEY": "no", "OP_TOKEN": "t", "LD_PRELOAD": "no"}
    command = SecretCommand((str(program("/usr/bin/env")),), pass_env=("OP_TOKEN", "NOT_SET"))
    seen = run_secret_command("openai", command, environ).splitlines()
    names = {line.partition("=")[0] for line in seen} - {"PWD", "SHLVL", "_", "OLDPWD"}
    assert names == {"HOME", "OP_TOKEN", "PATH"}
    assert f"PATH={SEARCH_PATH}" in seen


def test_it_reads_nothing_and_stands_at_the_root(program: Program) -> None:
    assert run(program("cat; pwd")) == "/"


def test_of_one_that_fails_the_code_and_its_last_complaint_are_told(program: Program) -> None:
    failed = program("echo usage >&2; echo '  it is locked\t' >&2; echo an-invented-secret; exit 3")
    assert why(failed) == "it failed (exit code 3): it is locked"
    assert why(program("exit 1")) == "it failed (exit code 1)"
    assert why(program("kill -TERM $$")) == "it failed (signal 15)"


def test_what_it_printed_as_the_secret_is_in_no_complaint(program: Program) -> None:
    spoken = program("echo an-invented-secret; echo 'cannot use an-invented-secret: x' >&2; exit 1")
    assert why(spoken) == "it failed (exit code 1): cannot use ***: x"
    assert len(why(program("head -c 5000 /dev/zero | tr '\\0' y >&2; exit 1"))) < 300


@pytest.mark.parametrize(
    ("complaint", "told"),
    [
        ("token=sk-invented0123456789abcdef is refused", "*** is refused"),
        ("bad key an0invented1secret2", "bad key ***"),
        ("+ echo 0123456789abcdef0123456789abcdef", "+ echo ***"),
        ("0123456789:AAinventedinventedinventedinvented1", "***"),
        ("/home/ann/.password-store/xopc/openai0123456789.gpg: no such file", None),
        ("cannot reach vault-01.internal.example.com:8200", None),
        ("authentication-required: sign in first", None),
    ],
)
def test_what_looks_like_a_secret_is_in_no_complaint_either(program: Program, complaint: str, told: str | None) -> None:
    assert why(program(f"echo '{complaint}' >&2; exit 1")) == f"it failed (exit code 1): {told or complaint}"


def test_one_that_hangs_is_killed_with_all_that_it_started(program: Program, tmp_path: Path) -> None:
    hanging = program(f"sleep 300 & echo $! > {tmp_path}/pid; sleep 300")
    began = time.monotonic()
    assert why(hanging, seconds=0.5) == "it took longer than 0.5 s"
    assert time.monotonic() - began < 10
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while (state := _state(child)) not in {None, "Z"}:
        assert time.monotonic() < deadline, state
        time.sleep(0.01)


def test_one_that_hangs_with_its_output_closed_is_killed(program: Program) -> None:
    assert why(program("exec >&- 2>&-; sleep 300"), seconds=0.5) == "it took longer than 0.5 s"


def test_a_child_that_keeps_the_output_open_does_not_hold_it_up(program: Program) -> None:
    began = time.monotonic()
    assert run(program("sleep 300 & echo an-invented-secret")) == "an-invented-secret"
    assert time.monotonic() - began < 10


def test_one_that_ignores_signals_is_killed_too(program: Program) -> None:
    assert "it took longer" in why(program("trap '' TERM INT; sleep 300 & wait"), seconds=0.3)


def test_one_that_prints_without_end_is_stopped(program: Program) -> None:
    assert why(program("while :; do echo invented; done")) == "it printed more than 64 KiB"
    assert len(run(program(f"head -c {MAX_BYTES} /dev/zero | tr '\\0' y"))) == MAX_BYTES


def test_complaints_without_end_are_forgotten(program: Program) -> None:
    assert run(program("head -c 1000000 /dev/zero >&2; echo secret")) == "secret"


def test_nothing_is_no_secret(program: Program) -> None:
    assert "is empty" in why(program("true"))
    assert "is not UTF-8" in why(program("printf '\\377'"))


def test_a_program_that_others_could_exchange_is_not_run(program: Program) -> None:
    path = program("echo secret")
    for mode in (0o775, 0o757):
        path.chmod(mode)
        assert "can be changed by other users" in why(path)
    path.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(path, 65534, -1)
        assert "can be changed by other users" in why(path)


def test_what_is_no_program_is_told(program: Program, tmp_path: Path) -> None:
    assert why(tmp_path / "no") == f"{tmp_path}/no cannot be run (No such file or directory)"
    assert why(tmp_path) == f"{tmp_path} is not a program"
    path = program("echo secret")
    path.chmod(0o644)
    assert why(path) == f"{path} cannot be run (Permission denied)"
    path.write_text("no program")
    path.chmod(0o755)
    assert why(path) == f"{path} cannot be run (Exec format error)"


def test_no_child_is_left_to_be_reaped(program: Program) -> None:
    run(program("echo secret"))
    why(program("sleep 300"), seconds=0.2)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL


def _state(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None
