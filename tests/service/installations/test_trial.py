from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

import xopc
from tests.fakes.environments import make_environment
from xopc.contracts.errors import XopcError
from xopc.service.installations import trial
from xopc.service.installations.trial import Verdict, reasons, try_on, try_start
from xopc.service.installations.versions import Environment
from xopc.storage.migrate import LATEST_SCHEMA, prepare


def environment(tmp_path: Path, version: str = xopc.__version__, **python: str) -> Environment:
    return Environment(make_environment(tmp_path / "env", tmp_path, version, **python), version, "")


def test_a_version_says_what_it_makes_of_what_is_there(home: Path, tmp_path: Path) -> None:
    ours = environment(tmp_path)
    assert try_on(ours, os.environ) == Verdict(LATEST_SCHEMA, 0, None, None)
    (home / ".xopc").mkdir()
    (home / ".xopc" / "xopc.json").write_text('{"gateway": {"port": "many"}}')
    prepare(home / ".xopc" / "xopc.db")
    with sqlite3.connect(home / ".xopc" / "xopc.db") as connection:
        connection.execute(f"PRAGMA user_version = {LATEST_SCHEMA + 1}")
    connection.close()
    verdict = try_on(ours, os.environ)
    assert "$.gateway.port" in str(verdict.configuration)
    assert f"schema {LATEST_SCHEMA + 1}" in str(verdict.database)
    assert verdict.found is None


def test_a_version_that_does_not_run_is_told_of_with_its_error(tmp_path: Path) -> None:
    broken = environment(
        tmp_path, "1.1", python="echo 'Traceback:' >&2; echo 'ImportError: no such module' >&2; exit 1"
    )
    with pytest.raises(XopcError, match=r"xopc 1\.1 does not run here:\n   ImportError: no such module$"):
        try_on(broken, os.environ)


@pytest.mark.parametrize("python", ["echo no JSON", "echo '{}'", "echo"])
def test_an_answer_that_is_none_is_told_of(tmp_path: Path, python: str) -> None:
    with pytest.raises(XopcError, match="gives no answer"):
        try_on(environment(tmp_path, python=python), os.environ)


def test_a_version_that_serves_passes_and_leaves_nothing(home: Path, tmp_path: Path) -> None:
    try_start(environment(tmp_path))
    assert not (home / ".xopc").exists()


@pytest.mark.parametrize("python", ["echo 'KeyError: 1'; exit 1", "echo 'KeyError: 1'; exit 0"])
def test_a_version_that_does_not_come_to_serve_is_told_of(tmp_path: Path, python: str) -> None:
    with pytest.raises(XopcError, match=r"does not start, tried with an empty configuration:\n   KeyError: 1$"):
        try_start(environment(tmp_path, python=python))


def test_a_gateway_that_is_only_tried_ends_by_itself_when_nobody_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "LIFE_SECONDS", 1)
    began = time.monotonic()
    with pytest.raises(XopcError, match="does not start"):
        try_start(environment(tmp_path, python="exec sleep 100"))
    assert time.monotonic() - began < trial.START_SECONDS


def test_a_version_that_is_another_one_than_it_says_does_not_pass(tmp_path: Path) -> None:
    with pytest.raises(XopcError, match=r"xopc 9\.9 does not start"):
        try_start(environment(tmp_path, "9.9"))


@pytest.mark.parametrize(("schema", "found", "brings"), [(9, 8, True), (9, 9, False), (9, 0, False), (9, None, False)])
def test_only_a_database_that_is_there_gets_a_newer_schema(schema: int, found: int | None, brings: bool) -> None:
    assert Verdict(schema, found, None, None).brings_schema is brings


def test_of_what_a_program_said_the_errors_are_told() -> None:
    said = '{"level": "info", "message": "fine"}\n{"level": "fatal", "message": "the disk burns"}\n{"a\nhm'
    assert reasons(said) == "   the disk burns"
    assert reasons("hm") == "   hm"
