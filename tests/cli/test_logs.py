from __future__ import annotations

from pathlib import Path

from tests.cli.test_main import run


def test_it_is_the_log_of_the_gateway(home: Path) -> None:
    logs = home / ".xopc" / "logs"
    logs.mkdir(parents=True)
    (logs / "app-2026-01-01.log").write_text("one\ntwo\n")
    done = run("logs", "-n", "1", "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "two\n", "")
    assert run("logs").stdout == run("gateway", "logs").stdout
