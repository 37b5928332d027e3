"""The search for secrets that got out finds what it is there for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.leaks import Witness

SETTINGS = Path(__file__).parents[2] / "pyproject.toml"
pytestmark = pytest.mark.shows_secrets("the search itself is tried")

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
        [sys.executable, "-c", "input(1)", SECRET],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"1", "it runs: for a moment before that it has no command line"
        witness.see_processes(process.pid)
        process.kill()
    (found,) = witness.finds()
    assert found.startswith("the command line of a process, line 4: ")


def test_a_constant_of_a_module_is_planted_where_its_name_says_so(witness: Witness) -> None:
    names = {"OTHER_TOKEN": SECRET, "my_password": f"{SECRET}-2", "KEY": "main:webchat:default:direct:notes"}
    before = set(witness.secrets)
    witness.plant_constants({**names, "NAME": "a-name-of-somebody", "SECRET": "a secret of several words"})
    assert witness.secrets - before == {SECRET, f"{SECRET}-2"} - before


LEAKS = """
import subprocess, sys
from pathlib import Path

import pytest

TOKEN = "an-invented-token-of-the-inner-tests"

def test_nothing(): print("all is well")
def test_printed(): print(TOKEN)
def test_logged(): __import__("logging").getLogger("x").warning(TOKEN)
def test_read(capsys):
    print(TOKEN, file=sys.stderr)
    capsys.readouterr()
def test_told_by_a_process():
    subprocess.run([sys.executable, "-c", f"print({TOKEN[:9]!r} + {TOKEN[9:]!r})"], capture_output=True)
def test_told_to_a_process(): subprocess.run(["/bin/true", TOKEN])
def test_written(tmp_path): (tmp_path / "notes").write_text("look: " + TOKEN)
def test_kept(tmp_path): (tmp_path / "token").write_text(TOKEN)
@pytest.mark.shows_secrets("on purpose")
def test_shown(): print(TOKEN)
"""


def test_every_test_ends_with_the_search(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_configure\n")
    (tmp_path / "test_inner.py").write_text(LEAKS)
    options = (
        "-p",
        "no:cacheprovider",
        "--strict-markers",
        f"--rootdir={tmp_path}",
        f"--config-file={SETTINGS}",
        "-rpE",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--color=no", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=SETTINGS.parent,
        check=False,
    )
    assert set(re.findall(r"^ERROR .*::test_(\w+)", done.stdout, re.MULTILINE)) == {
        *("printed", "logged", "read", "told_by_a_process", "told_to_a_process", "written")
    }, done.stdout
    for place in ("captured stdout call", "captured log call", "what the test printed", "the output of python -c"):
        assert f"{place}, line 1: an-…ts (36 characters)" in done.stdout
    assert "the command line of a process, line 2: an-" in done.stdout
    assert "notes, line 1: an-" in done.stdout


def test_each_test_begins_with_nothing(witness: Witness) -> None:
    witness.hear("an answer", SECRET)
    witness.forget()
    assert (witness.finds(), SECRET in witness.secrets) == ([], False)
