from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.gateway import TOKEN
from xopc.cli.doctor.check import Result, Sight
from xopc.cli.gateway.target import find_target
from xopc.cli.secrets import service
from xopc.cli.secrets.checks import (
    look_at_files,
    look_at_plain_text,
    look_at_references,
    look_at_service,
    look_beside_the_file,
)
from xopc.config.audit import Severity

KEY = "an-invented-key"


@pytest.fixture(autouse=True)
def no_system_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "SYSTEM_UNITS", tmp_path / "system")


def write(home: Path, document: object, name: str = "xopc.json") -> Path:
    path = home / ".xopc" / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    path.chmod(0o600)
    return path


def kept(home: Path, mode: int = 0o600, name: str = "key") -> Path:
    path = write(home, KEY, name)
    path.chmod(mode)
    return path


def sight() -> Sight:
    return Sight(find_target(None))


def told(result: Result) -> list[tuple[str, str]]:
    assert KEY not in str(result)
    assert TOKEN not in str(result)
    return [(fault.check_id, fault.where.partition(" ")[0]) for fault in result.faults]


def test_where_nothing_is_kept_elsewhere_nothing_is_wrong(home: Path) -> None:
    write(home, {"gateway": {"auth": {"token": TOKEN}}})
    assert look_at_references(sight()) == Result("No secret is kept elsewhere")


def test_references_that_lead_nowhere_are_told_with_their_places(home: Path) -> None:
    kept(home)
    write(home, {"gateway": {"auth": {"token": "${NO_TOKEN}"}}, "providers": {"a": "${file:no}", "b": "${file:key}"}})
    write(home, {"providers": {"box": {"baseUrl": "http://localhost/v1", "apiKey": "${file:no}"}}}, "models.json")
    result = look_at_references(sight())
    assert told(result) == [
        ("secrets.unresolved", "$.gateway.auth.token"),
        ("secrets.unresolved", "$.providers.a"),
        ("secrets.unresolved", str(home / ".xopc" / "models.json")),
    ]


def test_programs_are_asked_where_that_is_allowed_and_else_looked_at(home: Path) -> None:
    program = home / "program"
    program.write_text(f"#!/bin/sh\necho x >> {home}/asked\nexit 1\n")
    program.chmod(0o755)
    commands = {"a": {"command": [str(program)]}}
    write(home, {"providers": {"openai": "${command:a}"}, "secrets": {"commands": commands}})
    result = look_at_references(sight())
    assert result.faults == ()
    assert "no program was asked" in result.summary
    assert not (home / "asked").exists()
    assert told(look_at_references(sight(), runs_programs=True)) == [("secrets.unresolved", "$.providers.openai")]
    program.chmod(0o777)
    assert told(look_at_references(sight())) == [("secrets.unresolved", "$.secrets.commands.a")]


def test_a_variable_that_the_service_is_given_is_no_fault(home: Path) -> None:
    write(home, {"providers": {"openai": "${AN_INVENTED_KEY}"}})
    assert told(look_at_references(sight())) == [("secrets.unresolved", "$.providers.openai")]
    unit = home / ".config" / "systemd" / "user" / "xopc-gateway.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(f"[Service]\nEnvironment=XOPC_SERVICE_SECRETS={home}/service.env\n")
    (home / "service.env").write_text(f"AN_INVENTED_KEY={KEY}\n")
    assert told(look_at_references(sight())) == []


def test_the_doctor_tells_once_of_what_keeps_his_own_commands_from_working(home: Path) -> None:
    write(home, {"gateway": {"auth": {"token": "${file:no}"}}, "providers": {"openai": "${file:no-key}"}})
    assert told(look_beside_the_file(sight())) == [("secrets.unresolved", "$.providers.openai")]


def test_secrets_in_plain_text_are_told_and_the_gateway_s_own_is_no_fault(home: Path) -> None:
    write(home, {"gateway": {"auth": {"token": TOKEN}}, "providers": {"openai": KEY}})
    write(home, {"providers": {"box": {"apiKey": KEY}}}, "models.json")
    result = look_at_plain_text(sight())
    assert told(result) == [
        ("secrets.plain", "$.gateway.auth.token"),
        ("secrets.plain", "$.providers.openai"),
        ("secrets.plain", "$.providers.box.apiKey"),
    ]
    assert [fault.severity for fault in result.faults] == [Severity.INFO, Severity.WARN, Severity.WARN]
    assert result.faults[1].remediation == "Give it to: xopc secrets set providers.openai"
    assert 'write "${file:secrets/apiKey}"' in result.faults[2].remediation


def test_what_was_moved_elsewhere_is_found_in_the_copies_of_before(home: Path) -> None:
    write(home, {"providers": {"openai": "${file:key}"}})
    old = write(home, {"providers": {"openai": KEY, "groq": KEY}}, "xopc.json.bak.1")
    write(home, "{ broken", "xopc.json.bak")
    result = look_at_plain_text(sight())
    assert told(result) == [("secrets.copy", "$.providers.openai")]
    assert result.faults[0].remediation == f"rm {old}"


def test_files_that_others_may_read_are_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write(home, {"providers": {"openai": "${file:key}"}})
    key = kept(home)
    monkeypatch.chdir(home)
    (home / ".env").write_text("CITY=Oslo\n")
    assert look_at_files(sight()).faults == ()
    key.chmod(0o644)
    config.chmod(0o644)
    (home / ".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    (home / ".env").chmod(0o644)
    assert told(look_at_files(sight())) == [
        ("files.permissions", str(config)),
        ("files.permissions", str(home / ".env")),
        ("secrets.exposed", str(key)),
    ]


@pytest.mark.shows_secrets("the unit of the test holds it")
def test_a_secret_in_the_service_s_definition_is_told(home: Path) -> None:
    write(home, {"gateway": {"auth": {"token": TOKEN}}, "providers": {"openai": KEY}})
    assert look_at_service(sight()) == Result("No service is installed")
    unit = home / ".config" / "systemd" / "user" / "xopc-gateway.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/usr/bin/xopc gateway\n")
    assert look_at_service(sight()) == Result("The service's definition holds no secret")
    for secret in (TOKEN, KEY):
        unit.write_text(f"[Service]\nExecStart=/usr/bin/xopc gateway {secret}\n")
        assert told(look_at_service(sight())) == [("secrets.service", f"{unit},")]
