"""The search for secrets that got out finds what it is there for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.leaks import Witness

SECRET = "an-invented-secret-of-the-tests"


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    state = tmp_path / ".xopc"
    state.mkdir(exist_ok=True)
    (state / "xopc.json").write_text(json.dumps({"providers": {"openai": SECRET}}))
    witness = Witness()
    witness.follow(tmp_path, {}, ["all is well\n"])
    return witness


def put(path: Path, text: str = f"first\nthen {SECRET}\n") -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def test_where_nothing_got_out_nothing_is_found(witness: Witness, tmp_path: Path) -> None:
    for name in ("xopc.json.bak.1", ".xopc.json.x.tmp", "models.json", "accepted/a.json", "credentials/b", "secrets/c"):
        put(tmp_path / ".xopc" / name, "{}")
    put(tmp_path / ".xopc" / "accepted" / "a.json")
    (tmp_path / ".xopc" / "before-restore-20260101-000000").mkdir()
    put(tmp_path / ".xopc" / "before-restore-20260101-000000" / "accepted" / "a.json")
    put(tmp_path / "empty", "")
    witness.hear("an answer", "***")
    assert witness.finds() == []


@pytest.mark.parametrize(
    "place", [".xopc/logs/xopc-2026-11-26.log", ".xopc/xopc.db-wal", "core", "export/sessions.json"]
)
def test_a_secret_in_a_file_is_found(witness: Witness, tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    put(tmp_path / place)
    (found,) = witness.finds()
    assert found.startswith(f"{place}, line 2: ")
    assert SECRET not in found


def test_a_secret_that_was_told_is_found(witness: Witness, tmp_path: Path) -> None:
    output = list[str]()
    witness.follow(tmp_path, {"XOPC_GATEWAY_TOKEN": f"{SECRET}-2"}, output)
    output += ["one\n", f"token {SECRET}-2\n"]
    witness.hear("the answer to GET /api/config", json.dumps({"openai": SECRET}))
    assert {find.partition(": ")[0] for find in witness.finds()} == {
        "the output of the gateway, line 2",
        "the answer to GET /api/config, line 1",
    }


def test_secrets_of_backups_files_and_models_are_planted_too(witness: Witness, tmp_path: Path) -> None:
    state = tmp_path / ".xopc"
    put(state / "xopc.json.bak", json.dumps({"gateway": {"auth": {"token": "an-older-invented-token"}}}))
    put(state / "models.json", json.dumps({"providers": {"box": {"apiKey": "a-key-of-an-invented-box"}}}))
    put(state / "secrets" / "bot", "an-invented-bot-token\n")
    witness.hear("an answer", "an-older-invented-token a-key-of-an-invented-box an-invented-bot-token")
    assert len(witness.finds()) == 3


def test_a_secret_on_a_command_line_is_found(witness: Witness) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()", SECRET], stdin=subprocess.PIPE, start_new_session=True
    ) as process:
        witness.see_processes(process.pid)
        process.kill()
    (found,) = witness.finds()
    assert found.startswith("the command line of a process, line 4: ")


def test_each_test_begins_with_nothing(witness: Witness) -> None:
    witness.hear("an answer", SECRET)
    witness.forget()
    assert (witness.finds(), SECRET in witness.secrets) == ([], False)
