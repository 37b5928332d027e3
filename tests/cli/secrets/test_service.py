from __future__ import annotations

import plistlib
from pathlib import Path

import pytest

from xopc.cli.secrets import service
from xopc.cli.secrets.service import definitions, faults_in, service_environment

SECRET = "an-invented-secret"


@pytest.fixture(autouse=True)
def no_system_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "SYSTEM_UNITS", tmp_path / "system")


def unit(home: Path, text: str, name: str = "xopc-gateway.service") -> Path:
    path = home / ".config" / "systemd" / "user" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_definitions_of_this_profile_are_found_with_what_adds_to_them(home: Path) -> None:
    own = unit(home, "")
    unit(home, "", "xopc-gateway-rescue.service")
    added = unit(home, "", "xopc-gateway.service.d/override.conf")
    agent = home / "Library" / "LaunchAgents" / "ai.xopc.gateway.plist"
    agent.parent.mkdir(parents=True)
    agent.write_bytes(plistlib.dumps({}))
    assert list(definitions({"HOME": str(home)})) == [own, added, agent]
    rescue = list(definitions({"HOME": str(home), "XOPC_PROFILE": "rescue"}))
    assert [path.name for path in rescue] == ["xopc-gateway-rescue.service"]


@pytest.mark.shows_secrets("the unit of the test holds it")
@pytest.mark.parametrize(
    ("line", "is_fault"),
    [
        ("Environment=OPENAI_API_KEY=abcdef", True),
        ('Environment="XOPC_GATEWAY_TOKEN=abc" "A=b"', True),
        (f"ExecStart=/usr/bin/xopc gateway --token {SECRET}", True),
        ("Environment=PROXY=http://ann:invented@proxy.example.com", True),
        ("Environment=XOPC_GATEWAY_TOKEN=", False),
        ("# Environment=OPENAI_API_KEY=abcdef", False),
        ("Environment=XOPC_SERVICE_SECRETS=/home/ann/.xopc/service.env", False),
        ("ExecStart=/usr/bin/xopc gateway --port 18790", False),
    ],
)
def test_a_secret_in_a_unit_is_told_with_its_line_and_not_shown(home: Path, line: str, is_fault: bool) -> None:
    path = unit(home, f"[Service]\n{line}\n")
    faults = list(faults_in(path, {SECRET}))
    assert bool(faults) is is_fault
    for fault in faults:
        assert "line 2" in fault.where
        assert "invented" not in str(fault)
        assert "abc" not in str(fault)


def test_a_secret_in_a_property_list_is_found(home: Path) -> None:
    path = home / "ai.xopc.gateway.plist"
    content = {
        "EnvironmentVariables": {"HOME": "/Users/ann", "OPENAI_API_KEY": "abcdef"},
        "ProgramArguments": ["xopc", SECRET],
    }
    path.write_bytes(plistlib.dumps(content))
    assert [fault.where for fault in faults_in(path, {SECRET})] == [
        f"{path}, EnvironmentVariables: OPENAI_API_KEY",
        f"{path}, ProgramArguments",
    ]
    for broken in (b"no plist", plistlib.dumps([])):
        path.write_bytes(broken)
        assert list(faults_in(path, {SECRET})) == []


def test_a_definition_that_has_gone_meanwhile_is_none(home: Path) -> None:
    assert list(faults_in(home / "no.service", set())) == []


def test_what_the_service_gets_from_its_file_of_secrets_counts_as_set(home: Path) -> None:
    environ = {"HOME": str(home)}
    assert service_environment(environ) == {}
    (home / "service.env").write_text("OPENAI_API_KEY='a b'\nEMPTY\n")
    unit(home, f'[Service]\nEnvironment="XOPC_SERVICE_SECRETS={home}/service.env"\n')
    assert service_environment(environ) == {"OPENAI_API_KEY": "a b"}
    (home / "service.env").unlink()
    assert service_environment(environ) == {}
