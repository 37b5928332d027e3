from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import cast

import pytest
from attrs import evolve

from tests.fakes.gateway import TOKEN, configure
from xopc.cli.gateway.target import find_target
from xopc.service.audit.audited import Audit, audit_service, expect, find_program, is_temporary, look
from xopc.service.managers.base import Installed, ServiceManager


@pytest.fixture
def program(home: Path) -> Path:
    path = home / "bin" / "xopc"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def installed(home: Path, program: Path) -> Installed:
    return Installed(home / "a.service", (str(program), "gateway"), home, {"XOPC_HOME": str(home)}, {})


class Manager:
    """One that has what it is given installed."""

    marker = "systemd"

    def __init__(self, installed: Installed | None) -> None:
        self._installed = installed

    def read(self) -> Installed | None:
        return self._installed


def audited(installed: Installed | None) -> Audit | None:
    target = find_target(None)
    return audit_service(cast("ServiceManager", Manager(installed)), target.environ, target.paths)


def test_without_a_service_there_is_nothing_to_audit(home: Path) -> None:
    assert audited(None) is None


def test_what_is_found_is_told_to_programs(home: Path, installed: Installed) -> None:
    configure(home, port=4711)
    result = audited(evolve(installed, arguments=(*installed.arguments, "--port", "1")))
    assert result is not None
    told = cast("dict[str, list[dict[str, str]]]", result.to_json())
    assert told["ok"] is False
    assert "Service port 1 does not match config port 4711." in [issue["message"] for issue in told["issues"]]
    assert Audit(()).to_json() == {"ok": True, "issues": []}


def test_the_configurations_own_token_is_expected_whatever_outranks_it(
    home: Path, installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(home)
    monkeypatch.setenv("XOPC_GATEWAY_TOKEN", "of this shell alone, and long")
    target = find_target(None)
    assert expect(target.environ, target.paths, installed).token == TOKEN


def test_a_reference_is_resolved_by_the_services_own_variables(home: Path, installed: Installed) -> None:
    configure(home, auth={"token": "${MY_TOKEN}"})
    target = find_target(None)
    service = evolve(installed, secrets={"MY_TOKEN": TOKEN})
    assert expect(target.environ, target.paths, service).token == TOKEN
    assert expect({**target.environ, "MY_TOKEN": f"{TOKEN}x"}, target.paths, service).token == f"{TOKEN}x"


def test_a_password_is_expected_where_the_mode_says_so(home: Path, installed: Installed) -> None:
    configure(home, auth={"mode": "password", "password": "a long password"})
    target = find_target(None)
    expected = expect(target.environ, target.paths, installed)
    assert (expected.token, expected.password) == (None, "a long password")


def test_of_a_broken_configuration_nothing_is_expected(home: Path, installed: Installed) -> None:
    (home / ".xopc").mkdir()
    (home / ".xopc" / "xopc.json").write_text(json.dumps({"gateway": {"port": "x"}}))
    target = find_target(None)
    expected = expect(target.environ, target.paths, installed)
    assert (expected.port, expected.token) == (None, None)


def test_a_program_is_found_as_the_service_would(installed: Installed, program: Path) -> None:
    assert find_program(installed) == program
    assert find_program(evolve(installed, arguments=("xopc",), environment={"PATH": str(program.parent)})) == program
    program.chmod(0o644)
    assert find_program(installed) is None
    program.unlink()
    assert not look(installed).has_program
    assert find_program(evolve(installed, arguments=())) is None


@pytest.mark.parametrize(
    ("head", "lost"),
    [
        ("#!/gone/bin/python -P\n", "/gone/bin/python"),
        ("#!/bin/sh\n'''exec' \"/a gone/place/python\" \"$0\" \"$@\"\n' '''\n", "/a gone/place/python"),
        ("#!/bin/sh\nexec xopc\n", None),
        (f"#!{sys.executable}\n", None),
        ("\x7fELF", None),
    ],
)
def test_an_interpreter_that_is_gone(installed: Installed, program: Path, head: str, lost: str | None) -> None:
    program.write_text(head)
    assert look(installed).lost_interpreter == lost


@pytest.mark.parametrize(
    ("path", "temporary"),
    [
        ("/tmp/venv/bin/xopc", True),  # noqa: S108 - looked at alone
        ("/home/robin/.cache/uv/archive-v0/x/bin/xopc", True),
        ("/home/robin/src/.tox/py311/bin/xopc", True),
        ("/home/robin/.local/bin/xopc", False),
        ("/home/robin/tmp/bin/xopc", False),
    ],
)
def test_temporary_places(path: str, temporary: bool) -> None:
    assert is_temporary(Path(path)) is temporary


def test_the_file_of_secrets_is_looked_at(home: Path, installed: Installed) -> None:
    file = home / "secrets.env"
    service = evolve(installed, environment={"XOPC_SERVICE_SECRETS": str(file)})
    assert look(service).secrets_mode is None
    file.touch(mode=0o640)
    assert look(service).secrets_mode == 0o640
